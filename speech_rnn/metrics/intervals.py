"""Confidence intervals of figures, and the paired difference of two systems.

These are implemented here, and tested against scipy.stats, because scipy.stats is slow: a second to
import; `binomtest` takes 2 ms where `wilson_interval` takes 2 µs, and a DET curve needs a thousand.
For 2,000 utterances `bootstrap` takes 0.2 s (here 0.04 s) and `permutation_test` 6 s (0.4 s).
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincinv

from speech_rnn.errors import ConfigurationError

DRAWN_AT_ONCE = 1_000_000
"""Most values that are resampled at once; a million take 16 MB."""


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a proportion (Wilson, 1927); (0, 1) without trials.

    Raises
    ------
    ConfigurationError
        unless 0 <= successes <= trials and 0 < confidence < 1.
    """
    if not 0 <= successes <= trials:
        raise ConfigurationError(f"successes={successes} must lie in 0 to trials={trials}")
    _check_confidence(confidence)
    if not trials:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / trials
    centre = share + z**2 / (2 * trials)
    spread = z * (share * (1 - share) / trials + z**2 / (4 * trials**2)) ** 0.5
    scale = 1 + z**2 / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def poisson_interval(count: int, exposure: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a rate: `count` events in a time `exposure` (Garwood, 1936).

    Its ends are quantiles of the chi-square distribution, computed from those of gamma. Without
    events the lower end is 0 and the upper end is one-sided: 3 / `exposure` at 95 % (the rule of
    three). The interval is (0, infinity) without exposure.

    Raises
    ------
    ConfigurationError
        unless count and exposure are 0 or above and 0 < confidence < 1.
    """
    _check_confidence(confidence)
    if not count or not exposure:
        return 0.0, poisson_limit(count, exposure, confidence)
    low = float(gammaincinv(count, (1 - confidence) / 2)) / exposure
    return low, poisson_limit(count, exposure, (1 + confidence) / 2)


def poisson_limit(count: int, exposure: float, confidence: float = 0.95) -> float:
    """Return the one-sided upper limit of a rate; 3 / `exposure` at 95 % without events.

    Raises
    ------
    ConfigurationError
        in the cases of `poisson_interval`.
    """
    if not (count >= 0 and 0 <= exposure < np.inf):
        raise ConfigurationError(f"count={count} and exposure={exposure} must be 0 or above")
    _check_confidence(confidence)
    return float(gammaincinv(count + 1, confidence)) / exposure if exposure else float("inf")


def quantile_interval(
    values: ArrayLike,
    share: float,
    *,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the interval of a quantile of values (N,), by the percentile bootstrap.

    `share` is 0.5 for the median. The interval of few values is too narrow, because no resample
    exceeds the largest value.

    Raises
    ------
    ConfigurationError
        if there are no values, the share is outside [0, 1], or unless 0 < confidence < 1.
    """
    _check_confidence(confidence)
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 1 or not len(given) or not 0 <= share <= 1:
        raise ConfigurationError(
            f"values of shape={given.shape} must be (N,), at least one, and share={share} in [0, 1]"
        )
    random = np.random.default_rng(seed)
    at_once = max(1, DRAWN_AT_ONCE // len(given))
    found: list[float] = []
    while len(found) < n_resamples:
        size = min(at_once, n_resamples - len(found)), len(given)
        drawn = given[random.integers(len(given), size=size)]
        found += np.quantile(drawn, share, axis=1).tolist()
    return _percentiles(found, confidence)


def bootstrap_interval(
    errors: ArrayLike,
    lengths: ArrayLike,
    *,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the interval of an error rate, sum of errors / sum of lengths, over utterances.

    The percentile bootstrap over utterances (Bisani & Ney, 2004). Resamples without reference words
    have no rate and are left out; (0, 0) if none remain.

    Parameters
    ----------
    errors : (n_utterances,) number of edits of each utterance.
    lengths : (n_utterances,) number of reference words of each utterance.

    Raises
    ------
    ConfigurationError
        unless errors and lengths have the same shape and are not negative, n_resamples > 0 and
        0 < confidence < 1.
    """
    _check_confidence(confidence)
    edits, words = np.asarray(errors), np.asarray(lengths)
    if edits.shape != words.shape or edits.ndim != 1 or (edits < 0).any() or (words < 0).any():
        raise ConfigurationError(
            f"errors of shape={edits.shape} and lengths of shape={words.shape} must be counts, "
            "one of both for each utterance"
        )
    if n_resamples <= 0:
        raise ConfigurationError(f"n_resamples={n_resamples} must be above 0")
    rates = _resampled_rates(edits, words, n_resamples, np.random.default_rng(seed))
    return _percentiles(rates, confidence)


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    lengths: ArrayLike,
    *,
    confidence: float = 0.95,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> tuple[tuple[float, float], float]:
    """Compare the errors of two systems on the same utterances.

    Parameters
    ----------
    first : (n_utterances,) number of edits of the first system in each utterance.
    second : (n_utterances,) number of edits of the second system in each utterance.
    lengths : (n_utterances,) number of reference words of each utterance.

    Returns
    -------
    interval : interval of the difference of their error rates, first minus second, by the
        percentile bootstrap over utterances (Bisani & Ney, 2004).
    p_value : two-sided p-value of a permutation test that swaps the systems at random in each
        utterance (Good, 2005): the share of swaps with a difference at least as large, including
        the observed one.

    Raises
    ------
    ConfigurationError
        unless all have the same shape, and 0 < confidence < 1.
    """
    _check_confidence(confidence)
    one, other, words = (np.asarray(values, dtype=np.int64) for values in (first, second, lengths))
    if not one.shape == other.shape == words.shape or one.ndim != 1:
        raise ConfigurationError(
            f"errors of shape={one.shape} and shape={other.shape}, lengths of shape={words.shape}: "
            "give one of each for each utterance"
        )
    if not words.sum():
        return (0.0, 0.0), 1.0
    random = np.random.default_rng(seed)
    difference = one - other
    rates = _resampled_rates(difference, words, n_resamples, random)
    # Swapping the systems changes the sign of an utterance's difference.
    sizes, how_many = np.unique(np.abs(difference), return_counts=True)
    kept = random.binomial(how_many, 0.5, size=(n_resamples, len(sizes)))
    swapped = np.abs((2 * kept - how_many) @ sizes)
    as_large = np.count_nonzero(swapped >= abs(difference.sum()))
    return _percentiles(rates, confidence), float((as_large + 1) / (n_resamples + 1))


def _resampled_rates(
    edits: NDArray[np.integer], words: NDArray[np.integer], n_resamples: int, random: Generator
) -> NDArray[np.float64]:
    """Return sum of edits / sum of words over resampled utterances, where there are words.

    Utterances with equal counts are interchangeable. It is therefore enough to draw the number of
    each kind, with a much smaller matrix.
    """
    if not words.sum():
        return np.zeros(0)
    kinds, counts = np.unique(np.stack([edits, words]), axis=1, return_counts=True)
    drawn = random.multinomial(len(edits), counts / len(edits), size=n_resamples)
    sums, totals = (drawn @ kinds.T).T  # (n_resamples,) each
    return np.asarray(sums[totals > 0] / totals[totals > 0])


def _percentiles(values: ArrayLike, confidence: float) -> tuple[float, float]:
    """Return the percentiles that enclose a share of the values; (0, 0) without values."""
    found = np.asarray(values)
    if not len(found):
        return 0.0, 0.0
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ConfigurationError(f"confidence={confidence} must lie between 0 and 1")
