"""The stream of a recogniser: chunks of sound in, words out, each once and soon after its end."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio.signal import AudioWarning
from speech_rnn.data.free_spoken_digits import DIGITS
from speech_rnn.decoding.confidence import log_softmax
from speech_rnn.decoding.decoder import check_numbers
from speech_rnn.decoding.hypothesis import Word
from speech_rnn.engines.engine import Engine
from speech_rnn.errors import ConfigurationError
from speech_rnn.samples.levels import integer_scale
from speech_rnn.streaming.chunks import Chunk, SampleStream
from speech_rnn.streaming.gate import Gate, Gating, Stretch
from speech_rnn.streaming.spotter import Detection, Spotter, Spotting
from speech_rnn.vocabulary import Vocabulary

MOST_WORDS = 12
"""Number of words in a suggested command line."""


def reasons_against_streaming(engine: Engine, vocabulary: Vocabulary) -> list[str]:
    """Return what requires the whole clip in a recogniser, with ways out, and a recipe."""
    reasons = engine.reasons_against_streaming()
    if vocabulary.unit == "characters":
        reasons.append("vocabulary=characters: letters are no events; train vocabulary=words")
    if reasons:
        reasons.append(_recipe_for(vocabulary))
    return reasons


def _recipe_for(vocabulary: Vocabulary) -> str:
    """Return a recipe for a recogniser of the same words that can stream."""
    words = vocabulary.words if vocabulary.unit != "characters" else ()
    if words and set(words) <= set(DIGITS):
        return "+recipe=digits_stream trains a recogniser that can stream"
    some = words if 0 < len(words) <= MOST_WORDS else ["…"]
    setting = shlex.quote(f"words=[{','.join(some)}]")
    return (
        f"+recipe=custom {setting} trains a recogniser that can stream, from synthetic "
        "voices; +recipe=keywords_stream data.root=DIR, from recordings"
    )


class Posteriors(NamedTuple):
    """Posteriors of a part of a stretch.

    Parameters
    ----------
    values : (t, C); t is 0 only at the end of the stretch.
    start : position of the stretch's first sample in the stream.
    stop : position after the last processed sample.
    closes : whether the stretch ends here.
    """

    values: NDArray[np.float32]
    start: int
    stop: int
    closes: bool


class PosteriorStream:
    """Posteriors of sound that arrives in chunks, in which an `EventStream` detects words.

    With a gate, features and model process only the sound that passes, and start anew when it
    opens, as at the start of a clip. Without a gate they process the stream as one clip.

    Parameters
    ----------
    engine, vocabulary : parts of a recogniser that can stream.
    temperature : divisor of the logits before the softmax.
    sample_rate : sample rate of the chunks, in Hz.
    gating : settings of the gate; None for no gate.
    block_seconds : duration of a block that is computed at once, in seconds: ten chunks of 10 ms
        one by one take five times as long as together.

    Attributes
    ----------
    samples : the input conversion, with the levels of the sound so far.

    Raises
    ------
    ConfigurationError
        if the recogniser cannot stream (the error gives the reasons and a recipe), the sample rate
        is not above 0, or `block_seconds` is below 0.
    """

    def __init__(
        self,
        engine: Engine,
        vocabulary: Vocabulary,
        *,
        temperature: float,
        sample_rate: int,
        gating: Gating | None = None,
        block_seconds: float = 0.1,
    ) -> None:
        if reasons := reasons_against_streaming(engine, vocabulary):
            raise ConfigurationError("\n".join(reasons))
        if not 0 <= block_seconds < np.inf:
            raise ConfigurationError(f"block_seconds={block_seconds!r} must be 0 s or above")
        self.samples = SampleStream(sample_rate, engine.sample_rate)
        self._block = max(1, round(block_seconds * engine.sample_rate))
        self._gate = _NoGate() if gating is None else Gate(gating, engine.sample_rate)
        self._logits = engine.stream()
        self._temperature = np.float32(temperature)
        self._tokens, self._step = vocabulary.tokens, engine.step_length
        self._rate, self._is_resampled = engine.sample_rate, sample_rate != engine.sample_rate
        self._begin()

    def spotter(self, spotting: Spotting) -> WordSpotter:
        """Return a detector of words in these posteriors."""
        return WordSpotter(spotting, self._tokens, self._step, self._rate)

    def _begin(self) -> None:
        self._waiting: list[NDArray[np.float32]] = []
        self._n_waiting = 0
        self._start = self._stop = 0  # start and end of the stretch, in samples of the stream

    @property
    def n_missing(self) -> int:
        """Number of samples of chunks without which no posteriors follow; 1 if it is not known."""
        if isinstance(self._gate, Gate) or self._is_resampled:  # they keep some of the sound
            return 1
        return max(self._block, self._logits.n_missing) - self._n_waiting

    def push(self, chunk: Chunk) -> list[Posteriors]:
        """Take the next chunk, of any size, and return the posteriors now known."""
        samples = self.samples.push(chunk)
        self._waiting.append(samples)
        self._n_waiting += len(samples)
        return self._work() if self._n_waiting >= self._block else []

    def finish(self) -> list[Posteriors]:
        """End the stream and return the remaining posteriors. The next push begins another."""
        self._waiting.append(self.samples.finish())
        found = [*self._work(), *self._hear(self._gate.finish())]
        self._begin()
        return found

    def _work(self) -> list[Posteriors]:
        waiting = self._waiting
        block = waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
        self._waiting, self._n_waiting = [], 0
        return self._hear(self._gate.push(block))

    def _hear(self, stretches: list[Stretch]) -> list[Posteriors]:
        """Return the posteriors of the stretches that have some, and of those that end."""
        found = []
        for stretch in stretches:
            logits = self._logits_of(stretch)
            if len(logits) or stretch.closes:
                log_probs = log_softmax(logits / self._temperature)
                check_numbers(log_probs)
                values = np.exp(log_probs)
                found.append(Posteriors(values, self._start, self._stop, stretch.closes))
        return found

    def _logits_of(self, stretch: Stretch) -> NDArray[np.float32]:
        if stretch.opens:
            self._start = self._stop = stretch.start
        self._stop += len(stretch.samples)
        logits = self._logits.push(stretch.samples)
        if stretch.closes:
            logits = np.concatenate([logits, self._logits.flush()])
        return logits


class WordSpotter:
    """Detects words in the posteriors of a stream, with their times in seconds.

    Parameters
    ----------
    spotting : settings of the detection.
    tokens : tokens of the posteriors' columns.
    step : number of samples between two steps of the posteriors.
    sample_rate : sample rate in Hz.

    Attributes
    ----------
    words : the words that can be detected.
    n_tokens : the number of columns of the posteriors.
    """

    def __init__(
        self, spotting: Spotting, tokens: Sequence[str], step: int, sample_rate: int
    ) -> None:
        self.n_tokens = len(tokens)
        self._spotter = Spotter(spotting, tokens, step / sample_rate)
        self.words = self._spotter.words
        self._step, self._rate, self._lags = step, sample_rate, spotting.lags

    @property
    def pending(self) -> list[str]:
        """Words that are open and may yet be reported; see `Spotter.pending`."""
        return self._spotter.pending

    def hear(self, posteriors: Iterable[Posteriors]) -> list[Word]:
        """Take the next posteriors and return the words that they decide."""
        words = []
        for piece in posteriors:
            found = self._spotter.push(piece.values)
            if piece.closes:
                found += self._spotter.flush()
            words += [self._word(detection, piece) for detection in found]
        return words

    def _word(self, detection: Detection, piece: Posteriors) -> Word:
        first, last = (round(lag * self._rate) for lag in self._lags.get(detection.word, (0, 0)))
        # A lag may lead to before the stretch, and a stretch may begin in silence before the sound.
        start = max(0, piece.start + max(0, detection.start * self._step - first))
        # The end of a stretch may lie within a step.
        stop = min(piece.start + detection.stop * self._step - last, piece.stop)
        return Word(
            detection.word,
            start / self._rate,
            max(start, stop) / self._rate,
            min(1.0, detection.confidence),
        )


class EventStream:
    """A stream that reports words in sound that arrives in chunks; see `Recognizer.stream`.

    A word is reported soon after its end. The delay is the look-ahead of the model, plus the
    `settle_seconds` of the spotting, plus up to one block. Times are counted in samples, so they
    are exact after any number of hours. Memory is constant. When a gate closes, open words are
    reported.

    Parameters
    ----------
    posteriors : stream of the posteriors in which words are detected.
    spotting : settings of the detection.
    check : whether to issue an `AudioWarning`, once per stream, for levels at which words are
        missed: immediately for unscaled integers in floating point, at the end for quiet or clipped
        sound.
    """

    def __init__(
        self, posteriors: PosteriorStream, spotting: Spotting, *, check: bool = True
    ) -> None:
        self.posteriors, self.samples = posteriors, posteriors.samples
        self._spotter = posteriors.spotter(spotting)
        self._check = check
        self._has_warned = False

    @property
    def words(self) -> list[str]:
        """The words that can be reported."""
        return self._spotter.words

    @property
    def pending(self) -> list[str]:
        """Words that are being spoken, the most probable first; they may yet be withdrawn."""
        return self._spotter.pending

    @property
    def n_missing(self) -> int:
        """Number of samples of chunks without which `push` finds nothing new; 1 if not known."""
        return self.posteriors.n_missing

    def push(self, chunk: Chunk) -> list[Word]:
        """Take the next chunk, of any size, and return the words that are now detected.

        Raises
        ------
        AudioError
            if a chunk cannot be used (see `SampleStream.push`); the stream continues without it.
        """
        posteriors = self.posteriors.push(chunk)
        if wrong := integer_scale(self.samples.levels.peak):
            self._warn([wrong])
        return self._spotter.hear(posteriors)

    def finish(self) -> list[Word]:
        """End the stream and return the remaining words. The next push begins another, at 0 s."""
        self._warn(self.samples.levels.problems())
        self._has_warned = False
        return self._spotter.hear(self.posteriors.finish())

    def _warn(self, problems: Sequence[str]) -> None:
        if not self._check or self._has_warned:
            return
        for problem in problems:
            self._has_warned = True
            warnings.warn(AudioWarning(f"stream: {problem}"), stacklevel=3)


class _NoGate:
    """Passes everything as one stretch."""

    def __init__(self) -> None:
        self._n_samples = 0

    def push(self, samples: NDArray[np.float32]) -> list[Stretch]:
        start = self._n_samples
        self._n_samples += len(samples)
        return [Stretch(start, samples, opens=not start, closes=False)] if len(samples) else []

    def finish(self) -> list[Stretch]:
        start, self._n_samples = self._n_samples, 0
        return [Stretch(start, np.zeros(0, np.float32), opens=False, closes=True)] if start else []
