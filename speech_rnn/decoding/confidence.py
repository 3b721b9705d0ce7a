"""Confidence of a classifier: its temperature, and thresholds below which it gives no answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.decoding.hypothesis import Hypothesis
from speech_rnn.errors import ConfigurationError
from speech_rnn.vocabulary import REASONS, UNKNOWN


@dataclass(frozen=True)
class Calibration:
    """How logits of classes become confidences, and when an answer is withheld.

    Parameters
    ----------
    temperature : divisor of the logits before the softmax (Guo et al., 2017).
    unknown_below : evidence below which a clip is rejected with the reason ``unknown``.
    ambiguous_below : confidence of each word below which the reason is ``ambiguous``.
    against_unknown : whether evidence is the log odds of the words against ``_unknown_``.
    silence_seconds : silence before and after a clip whose words are spotted; earlier files have
        none. Without it, a word that begins with its clip is missed more often.

    Raises
    ------
    ConfigurationError
        if the temperature is not from 0.001 to 1000, or the silence not from 0 to 10 s.
    """

    temperature: float = 1.0
    unknown_below: float | None = None
    ambiguous_below: Mapping[str, float] = field(default_factory=dict)
    against_unknown: bool = False
    silence_seconds: float = 0.0

    def __post_init__(self) -> None:
        if not 1e-3 <= self.temperature <= 1e3:  # log-probabilities stay finite
            raise ConfigurationError(f"temperature={self.temperature!r} must lie in [0.001, 1000]")
        if not 0 <= self.silence_seconds <= 10:
            raise ConfigurationError(
                f"silence_seconds={self.silence_seconds!r} must lie in [0, 10]"
            )

    def judge(self, hypothesis: Hypothesis, evidence: float) -> Hypothesis:
        """Withhold an answer if its evidence or confidence is too low.

        The withheld answer becomes the first of the alternatives.
        """
        judged = replace(hypothesis, evidence=evidence)
        if not judged.words:
            return judged
        if self.unknown_below is not None and evidence < self.unknown_below:
            return _withheld(judged, "unknown")
        if judged.confidence < self.ambiguous_below.get(judged.text, 0.0):
            return _withheld(judged, "ambiguous")
        return judged

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"ambiguous_below": dict(self.ambiguous_below)}


def _withheld(answer: Hypothesis, reason: str) -> Hypothesis:
    would_be = replace(answer, alternatives=())
    return replace(answer, words=(), reason=reason, alternatives=(would_be, *answer.alternatives))


def evidence(
    logits: NDArray[np.floating], tokens: Sequence[str], *, against_unknown: bool = False
) -> NDArray[np.float64]:
    """Return the evidence for any of the words, (N,), from logits (N, C).

    It is the logarithm of the sum of the exponentials of the words' logits, which is their negative
    free energy (Liu et al., 2020). Other classes do not count, because the sounds that they have
    learnt are only a part of those that occur (figures: docs/results/keywords.md).

    With `against_unknown`, the logit of ``_unknown_`` is subtracted, which gives the log odds of a
    word against none. This ranks better if ``_unknown_`` was trained on hundreds of other words.
    """
    is_word = np.array([token not in REASONS for token in tokens])
    scores = np.logaddexp.reduce(logits[:, is_word].astype(np.float64), axis=1)
    if against_unknown:
        scores = scores - logits[:, list(tokens).index(UNKNOWN)]
    return np.asarray(scores)


def log_softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Return log-probabilities of logits (…, C), in their precision."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
