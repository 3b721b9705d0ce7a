"""A recogniser that listens: chunks of sound in, words out, each once and soon after it is said."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_rnn.decoding.hypothesis import Word
from speech_rnn.decoding.spotting import Detection, Spotter, Spotting
from speech_rnn.errors import ConfigurationError
from speech_rnn.features import LogMel
from speech_rnn.gate import Gate, Gating, Stretch
from speech_rnn.model import AcousticModel
from speech_rnn.samples import Chunk, SampleStream
from speech_rnn.vocabulary import Vocabulary

__all__ = ["EventStream", "LogitStream", "reasons_against_streaming"]

RECIPE = "digits_ctc_stream"
"""It trains a recogniser that can stream, and shows what that takes."""


def reasons_against_streaming(
    features: LogMel, model: AcousticModel, vocabulary: Vocabulary
) -> list[str]:
    """Return what in a recogniser needs the whole clip, the way out of each, and a recipe."""
    reasons = features.reasons_against_streaming() + model.reasons_against_streaming()
    if vocabulary.unit == "characters":
        reasons.append("vocabulary=characters: letters are no events; train vocabulary=words")
    if reasons:
        reasons.append(f"+recipe={RECIPE} trains a recogniser that can stream")
    return reasons


class LogitStream:
    """Logits of a waveform that arrives in pieces, equal to those of `Recognizer.logits`.

    Those of a classifier are `AcousticModel.step_logits`. What is kept does not grow.

    Parameters
    ----------
    features, model : of one recogniser, in evaluation mode; both must be able to stream.

    Raises
    ------
    ConfigurationError
        if one of them cannot.
    """

    def __init__(self, features: LogMel, model: AcousticModel) -> None:
        self._features, self._model = features.stream(), model.stream()
        self._window = features.win_length
        self._device = model.output.weight.device
        self._n_samples = 0

    def push(self, samples: NDArray[np.float32]) -> Tensor:
        """Take the next samples, (n,) with any n, and return the logits now known, (t, C)."""
        self._n_samples += len(samples)
        waveform = torch.from_numpy(np.ascontiguousarray(samples))[None].to(self._device)
        return self._model.push(self._features.push(waveform))[0]

    def flush(self) -> Tensor:
        """End the waveform: return the logits left, (t, C). The next push begins another.

        What is shorter than a window is padded with silence to one.
        """
        missing = max(0, self._window - self._n_samples)
        padded = self.push(np.zeros(missing, np.float32))
        frames = self._features.flush()
        left = [padded, self._model.push(frames)[0], self._model.flush()[0]]
        self._n_samples = 0
        return torch.cat(left)


class EventStream:
    """Words of sound that arrives in chunks; made by `Recognizer.stream`.

    A word comes soon after it was said: what the model looks ahead, the settling of the spotting,
    and up to a block. Times are counted in samples, so that they are exact after any number of
    hours. What is kept does not grow with the stream.

    With a gate, features and model hear only what passes: when it opens they begin anew, as at
    the start of a clip, and when it closes the words that are under way are told. Without one they
    hear all of a stream as one clip.

    Parameters
    ----------
    features, model, vocabulary : of a recogniser that can stream.
    temperature : by which logits are divided before the softmax.
    sample_rate : of the chunks, in Hz.
    spotting : when a word is an event.
    gating : when the gate is open; None: there is none.
    block_seconds : of sound that is worked on at once: a chunk of 10 ms alone costs five times as
        much as one of ten.

    Attributes
    ----------
    samples : the intake; its `n_clipped` tells how many samples were beyond full scale.

    Raises
    ------
    ConfigurationError
        for a recogniser that cannot stream (it names the reasons and a recipe), a rate that is not
        above 0, and a block below 0.
    """

    def __init__(
        self,
        features: LogMel,
        model: AcousticModel,
        vocabulary: Vocabulary,
        *,
        temperature: float = 1.0,
        sample_rate: int,
        spotting: Spotting | None = None,
        gating: Gating | None = None,
        block_seconds: float = 0.1,
    ) -> None:
        if reasons := reasons_against_streaming(features, model, vocabulary):
            raise ConfigurationError("\n".join(reasons))
        if not 0 <= block_seconds < np.inf:
            raise ConfigurationError(f"block_seconds={block_seconds!r} must be 0 s or above")
        self.samples = SampleStream(sample_rate, features.sample_rate)
        self._rate = features.sample_rate
        self._block = max(1, round(block_seconds * self._rate))
        self._step = features.hop_length * model.subsampling  # samples from step to step
        self._gate = _NoGate() if gating is None else Gate(gating, self._rate)
        self._logits = LogitStream(features, model)
        self._temperature = temperature
        self._spotter = Spotter(
            spotting or Spotting.of(vocabulary.head), vocabulary.tokens, self._step / self._rate
        )
        self._begin()

    def _begin(self) -> None:
        self._waiting: list[NDArray[np.float32]] = []
        self._n_waiting = 0
        self._origin = 0  # the sample of the stream that is the first of the stretch
        self._stop = 0  # the sample after its last

    @property
    def words(self) -> list[str]:
        """The words that it may tell."""
        return self._spotter.words

    def push(self, chunk: Chunk) -> list[Word]:
        """Take the next chunk, of any size, and return the words that it decides.

        Raises
        ------
        AudioError
            for a chunk that cannot be used (see `SampleStream.push`); the stream goes on without.
        """
        samples = self.samples.push(chunk)
        self._waiting.append(samples)
        self._n_waiting += len(samples)
        return self._work() if self._n_waiting >= self._block else []

    def finish(self) -> list[Word]:
        """End the stream: return the words left. The next push begins another, at 0 s."""
        self._waiting.append(self.samples.finish())
        found = self._work()
        for stretch in self._gate.finish():
            found += self._hear(stretch)
        self._begin()
        return found

    def _work(self) -> list[Word]:
        block = np.concatenate(self._waiting)
        self._waiting, self._n_waiting = [], 0
        return [word for stretch in self._gate.push(block) for word in self._hear(stretch)]

    def _hear(self, stretch: Stretch) -> list[Word]:
        if stretch.opens:
            self._origin = self._stop = stretch.start
        self._stop += len(stretch.samples)
        found = self._spotter.push(self._posteriors(self._logits.push(stretch.samples)))
        words = [self._word(detection) for detection in found]
        if stretch.closes:
            found = self._spotter.push(self._posteriors(self._logits.flush()))
            words += [self._word(detection) for detection in [*found, *self._spotter.flush()]]
        return words

    def _posteriors(self, logits: Tensor) -> NDArray[np.float32]:
        return (logits / self._temperature).softmax(dim=-1).float().cpu().numpy()

    def _word(self, detection: Detection) -> Word:
        start = self._origin + detection.start * self._step
        # what ends the stretch may end within a step
        stop = min(self._origin + detection.stop * self._step, max(self._stop, start))
        return Word(
            detection.word, start / self._rate, stop / self._rate, min(1.0, detection.confidence)
        )


class _NoGate:
    """Lets everything through as one stretch."""

    def __init__(self) -> None:
        self._n_samples = 0

    def push(self, samples: NDArray[np.float32]) -> list[Stretch]:
        start = self._n_samples
        self._n_samples += len(samples)
        return [Stretch(start, samples, opens=not start, closes=False)] if len(samples) else []

    def finish(self) -> list[Stretch]:
        start, self._n_samples = self._n_samples, 0
        return [Stretch(start, np.zeros(0, np.float32), opens=False, closes=True)] if start else []
