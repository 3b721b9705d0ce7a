"""A recogniser that listens: chunks of sound in, words out, each once and soon after it is said."""

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
"""Words that an advised command line names."""


def reasons_against_streaming(engine: Engine, vocabulary: Vocabulary) -> list[str]:
    """Return what in a recogniser needs the whole clip, the way out of each, and a recipe."""
    reasons = engine.reasons_against_streaming()
    if vocabulary.unit == "characters":
        reasons.append("vocabulary=characters: letters are no events; train vocabulary=words")
    if reasons:
        reasons.append(_recipe_for(vocabulary))
    return reasons


def _recipe_for(vocabulary: Vocabulary) -> str:
    """Name the recipe that trains a recogniser of the same words that can stream."""
    words = vocabulary.words if vocabulary.unit != "characters" else ()
    if words and set(words) <= set(DIGITS):
        return "+recipe=digits_stream trains a recogniser that can stream"
    some = words if 0 < len(words) <= MOST_WORDS else ["…"]
    setting = shlex.quote(f"words=[{','.join(some)}]")
    return (
        f"+recipe=custom_stream {setting} trains a recogniser that can stream, from synthetic "
        "voices; +recipe=keywords_stream data.root=DIR, from recordings"
    )


class Posteriors(NamedTuple):
    """Posteriors of a piece of a stretch.

    Parameters
    ----------
    values : (t, C); t is 0 only where the stretch ends.
    start : the sample of the stream that is the first of the stretch.
    stop : the sample after the last that has been heard.
    closes : whether the stretch ends here.
    """

    values: NDArray[np.float32]
    start: int
    stop: int
    closes: bool


class PosteriorStream:
    """Posteriors of sound that arrives in chunks: an `EventStream` finds its words in them.

    With a gate, features and model hear only what passes: when it opens they begin anew, as at the
    start of a clip. Without one they hear all of a stream as one clip.

    Parameters
    ----------
    engine, vocabulary : of a recogniser that can stream.
    temperature : the divisor of logits before the softmax.
    sample_rate : the rate of the chunks, in Hz.
    gating : when the gate is open; None: there is no gate.
    block_seconds : seconds of sound that are computed at once: chunks of 10 ms alone cost five
        times as much as ten of them together.

    Attributes
    ----------
    samples : the intake, with the levels of the sound so far.

    Raises
    ------
    ConfigurationError
        for a recogniser that cannot stream (it names the reasons and a recipe), a rate that is not
        above 0, and a block below 0.
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
        self._rate = engine.sample_rate
        self._begin()

    def spotter(self, spotting: Spotting) -> WordSpotter:
        """Return what finds words in these posteriors."""
        return WordSpotter(spotting, self._tokens, self._step, self._rate)

    def _begin(self) -> None:
        self._waiting: list[NDArray[np.float32]] = []
        self._n_waiting = 0
        self._start = self._stop = 0  # of the stretch, in samples of the stream

    def push(self, chunk: Chunk) -> list[Posteriors]:
        """Take the next chunk, of any size, and return the posteriors now known, if any."""
        samples = self.samples.push(chunk)
        self._waiting.append(samples)
        self._n_waiting += len(samples)
        return self._work() if self._n_waiting >= self._block else []

    def finish(self) -> list[Posteriors]:
        """End the stream: return the posteriors left. The next push begins another."""
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
    """Finds words in the posteriors of a stream, with their times in seconds.

    Parameters
    ----------
    spotting : when a word is an event.
    tokens : what the columns of the posteriors stand for.
    step : samples from one step of the posteriors to the next.
    sample_rate : in Hz.

    Attributes
    ----------
    words : that can be found.
    """

    def __init__(
        self, spotting: Spotting, tokens: Sequence[str], step: int, sample_rate: int
    ) -> None:
        self._spotter = Spotter(spotting, tokens, step / sample_rate)
        self.words = self._spotter.words
        self._step, self._rate, self._lags = step, sample_rate, spotting.lags

    @property
    def pending(self) -> list[str]:
        """The words that are open and may yet be found; see `Spotter.pending`."""
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
        start = piece.start + max(0, detection.start * self._step - first)
        # what ends the stretch may end within a step
        stop = min(piece.start + detection.stop * self._step - last, piece.stop)
        return Word(
            detection.word,
            start / self._rate,
            max(start, stop) / self._rate,
            min(1.0, detection.confidence),
        )


class EventStream:
    """Words of sound that arrives in chunks; made by `Recognizer.stream`.

    A word comes soon after it was said: the delay is what the model looks ahead, the settling of
    the spotting, and up to a block. Times are counted in samples, so that they are exact after any
    number of hours. What is kept does not grow with the stream. When a gate closes, the words that
    are under way are reported.

    Parameters
    ----------
    posteriors : the stream of posteriors in which the words are found.
    spotting : when a word is an event.
    check : whether to warn, as `AudioWarning` and once a stream, of levels at which words are
        missed: at once of floating point in the scale of integers, at the end of quiet or clipped
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
        """The words that it may tell."""
        return self._spotter.words

    @property
    def pending(self) -> list[str]:
        """The words that are being said, the most probable first; they may yet be withdrawn."""
        return self._spotter.pending

    def push(self, chunk: Chunk) -> list[Word]:
        """Take the next chunk, of any size, and return the words that it decides.

        Raises
        ------
        AudioError
            for a chunk that cannot be used (see `SampleStream.push`); the stream goes on without.
        """
        posteriors = self.posteriors.push(chunk)
        if wrong := integer_scale(self.samples.levels.peak):
            self._warn([wrong])
        return self._spotter.hear(posteriors)

    def finish(self) -> list[Word]:
        """End the stream: return the words left. The next push begins another, at 0 s."""
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
