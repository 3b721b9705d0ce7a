"""The line of a log for each epoch of a training, written by one program and read by another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

LINE = re.compile(r"epoch (\d+) of (\d+): (.*)")


@dataclass(frozen=True)
class Epoch:
    """An epoch that has ended.

    Parameters
    ----------
    number : its number; the first one is 1.
    n_epochs : number of epochs of the training.
    figures : losses and error rates by their names, such as ``validation error rate``.
    """

    number: int
    n_epochs: int
    figures: Mapping[str, float]

    def line(self) -> str:
        """Return the line."""
        figures = ", ".join(f"{name} {value:.4f}" for name, value in self.figures.items())
        return f"epoch {self.number} of {self.n_epochs}: {figures}"


def read_epoch(line: str) -> Epoch | None:
    """Return the epoch of a line that `Epoch.line` wrote, or None for any other line."""
    found = LINE.search(line)
    if found is None:
        return None
    pairs = (figure.rpartition(" ") for figure in found[3].split(", "))
    figures = {name: float(value) for name, _, value in pairs if name}
    return Epoch(int(found[1]), int(found[2]), figures)
