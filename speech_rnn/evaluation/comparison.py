"""Compare two evaluations of the same utterances pair by pair."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from speech_rnn.errors import DataError
from speech_rnn.evaluation.results import Evaluation
from speech_rnn.metrics import (
    paired_difference,
    word_error_rate,
)


@dataclass(frozen=True)
class Comparison:
    """The difference of two recognisers' error rates on the same utterances.

    Parameters
    ----------
    first, second : word error rates.
    difference : the first minus the second.
    interval : 95 % interval of the difference, by bootstrap over utterances.
    p_value : probability of a difference at least as large by chance, if the two recognisers were
        interchangeable on each utterance (permutation test).
    """

    first: float
    second: float
    difference: float
    interval: tuple[float, float]
    p_value: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def compare(first: Evaluation, second: Evaluation) -> Comparison:
    """Compare two evaluations of the same utterances, pair by pair.

    Raises
    ------
    DataError
        if their utterances are not the same.
    """
    if [row.utterance for row in first.rows] != [row.utterance for row in second.rows]:
        raise DataError("the two evaluations have different utterances; evaluate both on the same")
    read = [
        (one, other)
        for one, other in zip(first.rows, second.rows, strict=True)
        if one.hypothesis and other.hypothesis
    ]
    rates = [[word_error_rate([row.spoken], [row.recognised]) for row in pair] for pair in read]
    errors = np.array([[rate.errors for rate in pair] for pair in rates])  # (N, 2)
    lengths = [one.reference_length for one, _ in rates]
    interval, p_value = paired_difference(errors[:, 0], errors[:, 1], lengths)
    one, other = (errors.sum(axis=0) / max(1, sum(lengths))).tolist()
    return Comparison(one, other, one - other, interval, p_value)
