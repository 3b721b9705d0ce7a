"""A classifier's temperature and thresholds, fitted on clips that training did not use."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from speech_rnn.decoding.confidence import Calibration, evidence, log_softmax
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.vocabulary import REASONS, UNKNOWN

TEMPERATURES = (0.05, 20.0)
LEAST_CONFIDENCE = 0.5
"""Below this confidence an answer is at least as likely wrong as right, and hence ambiguous."""


def fit_temperature(logits: NDArray[np.floating], targets: NDArray[np.integer]) -> float:
    """Return the temperature with which logits (N, C) fit the targets (N,) best.

    If all answers are right, the likelihood has no maximum. The targets are therefore softened
    (Platt, "Probabilistic outputs for support vector machines", 1999): the right class has a share
    of 0.5^(1 / (N + 1)), and the other classes have the rest. That share is the median of the
    accuracy's posterior after N of N right answers, and an upper limit of the mean confidence.
    Platt uses the posterior's mean, (N + 1) / (N + 2). On the demo (N = 300, no error), the
    calibration error of the test was 2.62 % with hard targets, 1.98 % with the mean and 1.42 % with
    the median; perfect confidences would have 1.4 to 1.5 % by chance.

    The temperature is limited to 0.05 to 20.
    """
    n_clips, n_classes = logits.shape
    if n_classes == 1:
        return 1.0  # the only class has a confidence of 1 at any temperature
    share = 0.5 ** (1 / (n_clips + 1))
    of_target = np.arange(n_classes) == targets[:, None]  # (N, C)

    def surprise(log_temperature: float) -> float:
        log_probs = log_softmax(logits.astype(np.float64) / np.exp(log_temperature))
        others = np.logaddexp.reduce(np.where(of_target, -np.inf, log_probs), axis=1)
        return -float((share * log_probs[of_target] + (1 - share) * others).mean())

    found = minimize_scalar(surprise, bounds=tuple(np.log(TEMPERATURES)), method="bounded")
    return float(np.exp(found.x))


def calibrate(
    logits: NDArray[np.floating],
    targets: NDArray[np.integer],
    tokens: Sequence[str],
    *,
    keep: float | None = None,
    false_accepts: float | None = None,
) -> Calibration:
    """Fit temperature and thresholds on clips that training did not use.

    Parameters
    ----------
    logits : (N, C).
    targets : (N,), the right classes.
    tokens : the text of each class.
    keep : share of the right answers that the thresholds keep, in (0, 1].
    false_accepts : share of the clips of ``_unknown_`` that are answered with a word, in [0, 1).
        Clips of the words do not affect this threshold, because synthetic ones differ more from
        people's than from each other.

    Raises
    ------
    ConfigurationError
        if shares are out of range, both are given, or `false_accepts` lacks ``_unknown_``.
    DataError
        if there are no clips.
    """
    _check_shares(keep, false_accepts, tokens)
    if not len(targets):
        raise DataError("calibration needs a validation split; give it some clips")
    temperature = fit_temperature(logits, targets)
    if false_accepts is not None:
        others = evidence(logits, tokens, against_unknown=True)[targets == tokens.index(UNKNOWN)]
        if not len(others):
            raise DataError("false_accepts needs other words in the validation split; add some")
        return Calibration(temperature, _above(others, false_accepts), against_unknown=True)
    best = logits.argmax(axis=1)
    is_word = np.array([token not in REASONS for token in tokens])
    right = (best == targets) & is_word[targets]
    if keep is None or not right.any():
        return Calibration(temperature)
    confidences = np.exp(log_softmax(logits / temperature).max(axis=1))
    thresholds = {
        tokens[word]: min(LEAST_CONFIDENCE, _quantile(confidences[right & (targets == word)], keep))
        for word in np.unique(targets[right])
    }
    return Calibration(temperature, _quantile(evidence(logits, tokens)[right], keep), thresholds)


def _check_shares(keep: float | None, false_accepts: float | None, tokens: Sequence[str]) -> None:
    if keep is not None and not 0 < keep <= 1:
        raise ConfigurationError(f"keep={keep!r} must lie in (0, 1]")
    if false_accepts is None:
        return
    check_false_accepts(false_accepts)
    if keep is not None:
        raise ConfigurationError(
            f"keep={keep!r} and false_accepts={false_accepts!r} set the same threshold; give "
            "only one"
        )
    if UNKNOWN not in tokens:
        raise ConfigurationError(
            f"false_accepts={false_accepts!r} needs clips of other words to count them: "
            "negatives=other_words"
        )


def check_false_accepts(share: float) -> None:
    """Refuse a share of false accepts out of its range.

    Raises
    ------
    ConfigurationError
        if it does not lie in [0, 1).
    """
    if not 0 <= share < 1:
        raise ConfigurationError(f"false_accepts={share!r} must lie in [0, 1)")


def _above(values: NDArray[np.floating], share: float) -> float:
    """Return the lowest threshold with four decimals that at most a share of the values reach."""
    ranked = np.sort(values)[::-1]
    return (math.floor(ranked[int(share * len(ranked) + 1e-9)] * 1e4) + 1) / 1e4


def _quantile(values: NDArray[np.floating], keep: float) -> float:
    """Return the highest threshold that a share of the values reach."""
    return float(np.quantile(values, 1 - keep, method="lower"))
