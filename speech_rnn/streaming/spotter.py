"""Detect words in the posteriors of a stream: each utterance of a word once, with its time.

Only the most probable word counts at each step: its evidence is its posterior, that of all other
words is 0. Outputs that are not words (silence, unknown, blank) do not suppress words. The score
of a word is its evidence, smoothed over the steps up to now.

A word opens when its score reaches its threshold, and closes when it falls below `release` times
the threshold. While it is open it is reported once: when its score has not risen for
`settle_seconds`, or when it closes. An event therefore follows soon after the peak of the score,
which is its confidence. It spans the steps whose evidence reached the release, from the first since
the word closed, or since the last gap longer than the smoothing. No event is reported

- while it spans less than `min_seconds`;
- of a word that opened less than `refractory_seconds` after its last event closed, so that one
  utterance is reported once and words do not block each other;
- if it shares steps with an earlier event of another word, or with another open word that has a
  higher score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.errors import ConfigurationError, did_you_mean
from speech_rnn.vocabulary import BLANK, REASONS

SMOOTHINGS = ("mean", "max")
DURATIONS = ("smoothing_seconds", "settle_seconds", "min_seconds", "refractory_seconds")
NEVER = -(2**62)


@dataclass(frozen=True)
class Spotting:
    """Settings that decide when a word is reported.

    A word opens when its score reaches the threshold, and closes when the score falls below
    `release` times the threshold. It is reported once while it is open.

    Parameters
    ----------
    threshold : score in (0, 1] at which a word opens.
    thresholds : thresholds of single words, in place of `threshold`.
    release : share of the threshold in (0, 1] below which a word closes.
    smoothing_seconds : time over which the posteriors are smoothed to a score; at least one step.
    smoothing : ``mean`` for networks whose posterior of a word stays high as long as the word, or
        ``max`` for CTC, whose posterior is high for one or few steps.
    settle_seconds : time without a rise of its score after which a word is reported.
    min_seconds : shortest duration of a detection; shorter ones are ignored.
    refractory_seconds : minimum gap between two detections of the same word.
    lags : delays of the detected start and of the detected end of each word, in seconds, if they
        are known. Networks without look-ahead detect a word late. The delays are subtracted from
        the times.

    Raises
    ------
    ConfigurationError
        if a value is out of its range, or the smoothing is unknown.
    """

    threshold: float = 0.5
    thresholds: Mapping[str, float] = field(default_factory=dict)
    release: float = 0.5
    smoothing_seconds: float = 0.3
    smoothing: str = "mean"
    settle_seconds: float = 0.1
    min_seconds: float = 0.1
    refractory_seconds: float = 0.3
    lags: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = {"threshold": self.threshold, "release": self.release}
        given |= {f"thresholds[{word!r}]": value for word, value in self.thresholds.items()}
        for name, value in given.items():
            if not 0 < value <= 1:
                raise ConfigurationError(f"{name}={value!r} must be above 0 and at most 1")
        for name in DURATIONS:
            if not 0 <= getattr(self, name) < np.inf:
                raise ConfigurationError(f"{name}={getattr(self, name)!r} must be 0 s or above")
        for word, lag in self.lags.items():
            if len(lag) != 2 or not np.isfinite(lag).all():
                raise ConfigurationError(f"lags[{word!r}]={list(lag)} must be two numbers, in s")
        if self.smoothing not in SMOOTHINGS:
            raise ConfigurationError(
                f"smoothing={self.smoothing!r} must be one of {', '.join(SMOOTHINGS)}"
            )

    @classmethod
    def of(cls, head: str) -> Spotting:
        """Return the defaults of a head; with ``ctc``, a word is a spike of one or few steps."""
        if head == "ctc":
            return cls(
                smoothing="max", smoothing_seconds=0.15, min_seconds=0.0, refractory_seconds=0.15
            )
        return cls()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        lags = {word: list(lag) for word, lag in self.lags.items()}
        return asdict(self) | {"thresholds": dict(self.thresholds), "lags": lags}


@dataclass(frozen=True)
class Detection:
    """A detected word: its steps from `start` up to `stop`, and its highest score."""

    word: str
    start: int
    stop: int
    confidence: float


@dataclass
class _Open:
    """A word that is open."""

    is_spent: bool
    peak: float = 0.0
    peak_step: int = 0
    has_fired: bool = False


class Spotter:
    """Detects words in posteriors that arrive in pieces, independently of how they are cut.

    Parameters
    ----------
    spotting : settings of the detection.
    tokens : tokens of the posteriors' columns; the blank, ``_silence_`` and ``_unknown_`` are not
        words.
    step_seconds : time between two steps, in seconds.

    Raises
    ------
    ConfigurationError
        if there is a threshold or a lag for anything that is not one of the words.
    """

    def __init__(self, spotting: Spotting, tokens: Sequence[str], step_seconds: float) -> None:
        self.spotting = spotting
        no_words = {BLANK, *REASONS}
        self._columns = np.array([i for i, token in enumerate(tokens) if token not in no_words])
        self.words = [tokens[column] for column in self._columns]
        for word in (*spotting.thresholds, *spotting.lags):
            if word not in self.words:
                hint = did_you_mean(word, self.words)
                raise ConfigurationError(f"spotting: {word!r} is not a word of the model{hint}")
        self._threshold = np.array(
            [spotting.thresholds.get(word, spotting.threshold) for word in self.words]
        )
        self._level = self._threshold * spotting.release
        # Below the rounding errors of a mean of values under the lowest level.
        self._silent = (1 - 1e-9) * self._level.min(initial=np.inf)
        self._n_smooth = max(1, round(spotting.smoothing_seconds / step_seconds))
        self._settle, self._shortest, self._refractory = (
            round(getattr(spotting, name) / step_seconds) for name in DURATIONS[1:]
        )
        self._begin()

    def push(self, posteriors: NDArray[np.floating]) -> list[Detection]:
        """Take the next posteriors, (t, C) in [0, 1] with any t, and return their events.

        Steps count from the first push, or the first after a `flush`.
        """
        evidence = self._evidence(posteriors)  # (t, W)
        kept = self._with_kept(evidence)  # (n - 1 + t, W)
        if not self._open and kept.max(initial=0) < self._silent:  # no score can reach a threshold
            self._step += len(evidence)
            return []
        score = self._smooth(kept)  # (t, W)
        shows = np.any((evidence >= self._level) | (score >= self._level), axis=1).tolist()
        fired: list[Detection] = []
        for row in range(len(evidence)):
            if shows[row] or self._open:
                fired += self._advance(self._step + row, evidence[row], score[row])
        self._step += len(evidence)
        return fired

    def flush(self) -> list[Detection]:
        """End the stream and return the remaining events. The next push begins another."""
        fired = self._fire([word for word in self._open if self._may_fire(word)])
        self._begin()
        return fired

    @property
    def pending(self) -> list[str]:
        """Words that are open and may yet be reported, the highest score first."""
        waiting = [(-state.peak, word) for word, state in self._open.items() if not state.is_spent]
        return [self.words[word] for _, word in sorted(waiting)]

    def _begin(self) -> None:
        n_words = len(self.words)
        self._step = 0
        self._kept = np.zeros((self._n_smooth - 1, n_words))
        self._begun = np.full(n_words, NEVER)
        self._last = np.full(n_words, NEVER)
        self._closed = np.full(n_words, NEVER)
        self._open: dict[int, _Open] = {}
        self._fired: list[tuple[int, Detection]] = []  # which an open word may share steps with

    def _evidence(self, posteriors: NDArray[np.floating]) -> NDArray[np.float64]:
        words = np.asarray(posteriors, dtype=np.float64)[:, self._columns]  # (t, W)
        evidence = np.zeros_like(words)
        if words.size:
            best = np.arange(len(words)), words.argmax(axis=1)
            evidence[best] = words[best]
        return evidence

    def _with_kept(self, evidence: NDArray[np.float64]) -> NDArray[np.float64]:
        kept = np.concatenate([self._kept, evidence])
        self._kept = kept[len(evidence) :]
        return kept

    def _smooth(self, kept: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map evidence, including the context of the first step, to scores (t, W)."""
        n_steps = len(kept) - self._n_smooth + 1
        # Step by step: sums of a moving window would depend on how the stream is cut.
        score = np.zeros((n_steps, len(self.words)))
        for back in range(self._n_smooth):
            piece = kept[back : back + n_steps]
            score = np.maximum(score, piece) if self.spotting.smoothing == "max" else score + piece
        return score if self.spotting.smoothing == "max" else score / self._n_smooth

    def _advance(
        self, step: int, evidence: NDArray[np.float64], score: NDArray[np.float64]
    ) -> list[Detection]:
        for word in np.flatnonzero(evidence >= self._level).tolist():
            if step - self._last[word] > self._n_smooth:
                self._begun[word] = step
            self._last[word] = step
        for word in np.flatnonzero(score >= self._threshold).tolist():
            if word not in self._open:
                is_spent = step - self._closed[word] < self._refractory
                self._open[word] = _Open(bool(is_spent))
                if self._last[word] == NEVER:
                    self._begun[word] = self._last[word] = step
        ready, closing = [], []
        for word, state in self._open.items():
            if score[word] > state.peak:
                state.peak, state.peak_step = float(score[word]), step
            closes = score[word] < self._level[word]
            if closes:
                closing.append(word)
            if self._may_fire(word) and (closes or step - state.peak_step >= self._settle):
                ready.append(word)
        fired = self._fire(ready)
        for word in closing:
            if self._open.pop(word).has_fired:
                self._closed[word] = step
            self._last[word] = NEVER
        return fired

    def _may_fire(self, word: int) -> bool:
        start, stop = self._span(word)
        return not self._open[word].is_spent and stop - start >= self._shortest

    def _span(self, word: int) -> tuple[int, int]:
        return int(self._begun[word]), int(self._last[word]) + 1

    def _fire(self, ready: list[int]) -> list[Detection]:
        fired = []
        for word in sorted(ready, key=lambda word: (-self._open[word].peak, word)):
            state = self._open[word]
            state.is_spent = True
            if self._has_rival(word):
                continue
            state.has_fired = True
            event = Detection(self.words[word], *self._span(word), confidence=state.peak)
            earliest = min(self._begun[other] for other in self._open)
            self._fired = [(other, old) for other, old in self._fired if old.stop > earliest]
            self._fired.append((word, event))
            fired.append(event)
        return fired

    def _has_rival(self, word: int) -> bool:
        """Return whether the word shares steps with another event, or with a higher open word."""
        rivals = [(event.start, event.stop) for other, event in self._fired if other != word]
        rivals += [
            self._span(other)
            for other, state in self._open.items()
            if not state.is_spent and state.peak > self._open[word].peak
        ]
        start, stop = self._span(word)
        return any(first < stop and start < last for first, last in rivals)
