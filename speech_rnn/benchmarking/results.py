"""Results of a benchmark: rows of times, grouped in sections, with machine and versions."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from speech_rnn.benchmarking.settings import MEASURED
from speech_rnn.errors import ConfigurationError
from speech_rnn.storage.atomic import write_json

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


@dataclass(frozen=True)
class Times:
    """Seconds per call in each turn, with median and quartiles.

    Raises
    ------
    ConfigurationError
        if there are no times.
    """

    seconds: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.seconds:
            raise ConfigurationError("seconds=() must hold at least one time")

    @property
    def median(self) -> float:
        """The median time."""
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and the third quartile."""
        low, high = np.quantile(self.seconds, (0.25, 0.75)).tolist()
        return low, high

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "median_seconds": self.median,
            "quartile_seconds": list(self.quartiles),
            "seconds": list(self.seconds),
        }

    def per(self, n: float) -> Times:
        """Return the time per item if a call processes `n` items."""
        return Times(tuple(seconds / n for seconds in self.seconds))


def readable(seconds: float) -> str:
    """Return a time with three significant digits, in s, ms or µs."""
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), UNITS[-1])
    digits = seconds / size
    return f"{digits:.0f} {unit}" if digits >= 100 else f"{digits:.3g} {unit}"


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return the exponent k of cost = c * size^k, by least squares on the logarithms."""
    slope, _ = np.polyfit(np.log(sizes), np.log(costs), 1)
    return float(slope)


@dataclass(frozen=True)
class Row:
    """One contender of a section.

    Parameters
    ----------
    name : name of the contender.
    seconds : times of a call; None if it could not run.
    figures : other measurements; each name contains the unit.
    note : a remark, or the reason if it could not run.
    """

    name: str
    seconds: Times | None = None
    figures: dict[str, float] = field(default_factory=dict)
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        times = self.seconds.to_dict() if self.seconds else {}
        return {"name": self.name, **times, "figures": self.figures, "note": self.note}


@dataclass(frozen=True)
class Growth:
    """Times of a call at several sizes; `name` says what grows, with its unit."""

    name: str
    sizes: tuple[float, ...]
    seconds: tuple[Times, ...]

    @property
    def exponent(self) -> float:
        """The exponent of a power law fitted to the medians."""
        return exponent(self.sizes, [times.median for times in self.seconds])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        times = [times.to_dict() for times in self.seconds]
        columns = {key: [one[key] for one in times] for key in times[0]}
        return {"name": self.name, "sizes": list(self.sizes), **columns, "exponent": self.exponent}


@dataclass(frozen=True)
class Section:
    """Contenders with the same task and thread count, all compared with the first row."""

    name: str
    title: str
    rows: tuple[Row, ...] = ()
    growths: tuple[Growth, ...] = ()

    @property
    def n_threads(self) -> int:
        """Number of threads that each contender may use."""
        return MEASURED[self.name][1]

    @property
    def heading(self) -> str:
        """The title with the number of threads."""
        threads = "one thread" if self.n_threads == 1 else f"{self.n_threads} threads"
        return f"{self.title} ({threads})"

    def times_first(self, row: Row) -> float | None:
        """Return a row's median relative to the first row's; None unless both could run."""
        first = self.rows[0]
        if row.seconds is None or first.seconds is None:
            return None
        return row.seconds.median / first.seconds.median

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "n_threads": self.n_threads,
            "rows": [row.to_dict() | {"times_first": self.times_first(row)} for row in self.rows],
            "growths": [growth.to_dict() for growth in self.growths],
        }


@dataclass(frozen=True)
class Benchmark:
    """A run: its machine, package versions, command line, and measured sections."""

    processor: str
    n_cores: int
    versions: dict[str, str]
    command: str
    sections: tuple[Section, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**vars(self), "sections": [section.to_dict() for section in self.sections]}

    def write(self, folder: str | Path) -> Path:
        """Write ``benchmark.json`` into a folder, which is created, and return the file."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        return write_json(Path(folder) / "benchmark.json", self.to_dict())
