"""What a benchmark finds, as plain values: rows in sections, with the machine and versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speech_rnn.benchmarking.growth import exponent
from speech_rnn.benchmarking.timing import Times

__all__ = ["Benchmark", "Growth", "Row", "Section"]


@dataclass(frozen=True)
class Row:
    """One contender of a section.

    Parameters
    ----------
    name : of the contender.
    seconds : that it took; None where it could not run.
    figures : what else was measured, by a name that holds the unit.
    note : what to know; why it could not run.
    """

    name: str
    seconds: Times | None = None
    figures: dict[str, float] = field(default_factory=dict)
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        told: dict[str, Any] = {"name": self.name}
        if self.seconds is not None:
            low, high = self.seconds.quartiles
            told |= {
                "median_seconds": self.seconds.median,
                "quartile_seconds": [low, high],
                "seconds": list(self.seconds.seconds),
            }
        return told | {"figures": self.figures, "note": self.note}

    @classmethod
    def of_dict(cls, told: Mapping[str, Any]) -> Row:
        """Return the row that `to_dict` told of."""
        seconds = Times(tuple(told["seconds"])) if "seconds" in told else None
        return cls(told["name"], seconds, told["figures"], told["note"])


@dataclass(frozen=True)
class Growth:
    """What a cost is at several sizes.

    Parameters
    ----------
    name : of what grows, with its unit.
    sizes : of it.
    seconds : at each size.
    """

    name: str
    sizes: tuple[float, ...]
    seconds: tuple[Times, ...]

    @property
    def exponent(self) -> float:
        """Of the power law through the medians."""
        return exponent(self.sizes, [times.median for times in self.seconds])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "name": self.name,
            "sizes": list(self.sizes),
            "median_seconds": [times.median for times in self.seconds],
            "quartile_seconds": [list(times.quartiles) for times in self.seconds],
            "seconds": [list(times.seconds) for times in self.seconds],
            "exponent": self.exponent,
        }

    @classmethod
    def of_dict(cls, told: Mapping[str, Any]) -> Growth:
        """Return the growth that `to_dict` told of."""
        seconds = tuple(Times(tuple(times)) for times in told["seconds"])
        return cls(told["name"], tuple(told["sizes"]), seconds)


@dataclass(frozen=True)
class Section:
    """Contenders with the same task and the same threads; the first row is compared with.

    Parameters
    ----------
    name : as the command takes it.
    title : what each does.
    n_threads : that each may use.
    rows, growths : what was found.
    """

    name: str
    title: str
    n_threads: int
    rows: tuple[Row, ...] = ()
    growths: tuple[Growth, ...] = ()

    def times_first(self, row: Row) -> float | None:
        """Return how many times as long as the first row another took, where both ran."""
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

    @classmethod
    def of_dict(cls, told: Mapping[str, Any]) -> Section:
        """Return the section that `to_dict` told of."""
        return cls(
            told["name"],
            told["title"],
            told["n_threads"],
            tuple(Row.of_dict(row) for row in told["rows"]),
            tuple(Growth.of_dict(growth) for growth in told["growths"]),
        )


@dataclass(frozen=True)
class Benchmark:
    """A run: where, with what, and what it found.

    Parameters
    ----------
    processor, n_cores : of the machine.
    versions : of Python and packages.
    command : the line that started it.
    sections : in the order in which they ran.
    """

    processor: str
    n_cores: int
    versions: dict[str, str]
    command: str
    sections: tuple[Section, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "processor": self.processor,
            "n_cores": self.n_cores,
            "versions": self.versions,
            "command": self.command,
            "sections": [section.to_dict() for section in self.sections],
        }

    def write(self, folder: str | Path) -> Path:
        """Write ``benchmark.json`` into a folder, which is made, and return the file."""
        file = Path(folder) / "benchmark.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.to_dict(), indent=2) + "\n")
        return file
