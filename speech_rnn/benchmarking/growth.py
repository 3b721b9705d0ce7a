"""How a cost grows with a size: the exponent of the power law that fits it best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from speech_rnn.errors import ConfigurationError

__all__ = ["exponent"]


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return k of cost = c * size^k: the slope of the line through logarithms (least squares).

    Parameters
    ----------
    sizes, costs : above 0, as many of each, two different sizes at least.

    Raises
    ------
    ConfigurationError
        for other sizes and costs.
    """
    if len(sizes) != len(costs) or len(set(sizes)) < 2 or min(*sizes, *costs) <= 0:
        raise ConfigurationError(
            f"sizes={list(sizes)} and costs={list(costs)} must be as many, all above 0, with two "
            "different sizes at least"
        )
    slope, _ = np.polyfit(np.log(sizes), np.log(costs), 1)
    return float(slope)
