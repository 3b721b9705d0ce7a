"""Results of a wake-word benchmark: detections of each contender, and their rates."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speech_rnn.benchmarking.results import Times
from speech_rnn.detection.matching import Detections, DetPoint, Quantiles, best_point
from speech_rnn.storage import atomic

RATES = (0.5, 5.0)
"""False accepts per hour at which detection rates are reported."""
COLUMNS = ("contender", "word", "condition", "threshold", "said", "found", "false", "hours")


@dataclass(frozen=True)
class Listened:
    """The results of a contender under one condition.

    Parameters
    ----------
    contender, condition : their names.
    own : counts of each word with the contender's own thresholds.
    curve : counts of each word by threshold, from the lowest to the highest.
    latency : seconds from the end of a word to its event, with the contender's own thresholds; None
        without detections.
    """

    contender: str
    condition: str
    own: dict[str, Detections]
    curve: tuple[DetPoint, ...]
    latency: Quantiles | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return vars(self) | {
            "own": {word: found.to_dict() for word, found in self.own.items()},
            "curve": [point.to_dict() for point in self.curve],
            "latency": self.latency and self.latency.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Listened:
        """Create the results from the values of `to_dict`."""

        def words(rows: Mapping[str, Any]) -> dict[str, Detections]:
            return {word: Detections.from_dict(row) for word, row in rows.items()}

        curve = (
            DetPoint(point["threshold"], words(point["per_word"])) for point in values["curve"]
        )
        return cls(
            values["contender"],
            values["condition"],
            words(values["own"]),
            tuple(curve),
            values["latency"] and Quantiles.from_dict(values["latency"]),
        )


@dataclass(frozen=True)
class Operation:
    """A contender that detects one word with the same threshold under all conditions.

    Parameters
    ----------
    threshold : the threshold; None stands for the contender's own.
    found : counts by condition.
    """

    contender: str
    word: str
    threshold: float | None
    found: dict[str, Detections]

    @property
    def total(self) -> Detections:
        """Counts of all conditions together."""
        return Detections.of_scenes([*self.found.values()])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        conditions = {name: found.to_dict() for name, found in self.found.items()}
        return vars(self) | {"found": conditions, "total": self.total.to_dict()}


@dataclass(frozen=True)
class Cost:
    """Computational cost of a contender.

    Parameters
    ----------
    contender, words : its name and its words.
    seconds : seconds of one thread per second of sound.
    n_bytes : size of the models in bytes.
    """

    contender: str
    words: tuple[str, ...]
    seconds: Times
    n_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return vars(self) | {"words": list(self.words), "seconds": self.seconds.to_dict()}


@dataclass(frozen=True)
class WakeReport:
    """A run of the benchmark.

    Parameters
    ----------
    listened : results, ordered by contender, then by condition.
    costs : the cost of each contender.
    missing : contenders that were left out, with the reasons.
    notes : warnings for the reader of the figures.
    settings : streams, command, machine and versions of the run.
    """

    listened: tuple[Listened, ...]
    costs: tuple[Cost, ...]
    missing: dict[str, str]
    notes: tuple[str, ...]
    settings: dict[str, Any]

    @property
    def words(self) -> list[str]:
        """The words to detect."""
        return list(dict.fromkeys(word for each in self.listened for word in each.own))

    @property
    def conditions(self) -> list[str]:
        """The conditions in their order."""
        return list(dict.fromkeys(each.condition for each in self.listened))

    @property
    def contenders(self) -> list[str]:
        """The contenders in their order."""
        return list(dict.fromkeys(each.contender for each in self.listened))

    def curves(self, contender: str, word: str) -> dict[str, list[DetPoint]]:
        """Return the curves of a word by condition; empty if the contender lacks the word."""
        return {
            each.condition: [
                DetPoint(point.threshold, {word: point.per_word[word]}) for point in each.curve
            ]
            for each in self._of(contender, word)
        }

    def pooled(self, contender: str, word: str) -> list[DetPoint]:
        """Return the curve of a word over all conditions together."""
        points = zip(*self.curves(contender, word).values(), strict=True)
        return [
            DetPoint(same[0].threshold, {word: Detections.of_scenes([one.total for one in same])})
            for same in points
        ]

    def operations(self, false_per_hour: float | None) -> list[Operation]:
        """Return how well each contender detects each of its words.

        Parameters
        ----------
        false_per_hour : upper limit on the word's false accepts per hour, over all conditions
            together. Among the thresholds that keep it, the one with the fewest misses is chosen;
            contenders without such a threshold are left out. None uses their own thresholds.
        """
        found = []
        for word in self.words:
            for contender in self.contenders:
                under = self._of(contender, word)
                if not under:
                    continue
                if false_per_hour is None:
                    own = {each.condition: each.own[word] for each in under}
                    found.append(Operation(contender, word, None, own))
                    continue
                best = best_point(self.pooled(contender, word), false_per_hour)
                if best is None:
                    continue
                place = [point.threshold for point in under[0].curve].index(best.threshold)
                at = {each.condition: each.curve[place].per_word[word] for each in under}
                found.append(Operation(contender, word, best.threshold, at))
        return found

    def _of(self, contender: str, word: str) -> list[Listened]:
        return [each for each in self.listened if each.contender == contender and word in each.own]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        at = {f"{rate:g}": [each.to_dict() for each in self.operations(rate)] for rate in RATES}
        return {
            **self.settings,
            "missing": self.missing,
            "notes": list(self.notes),
            "at_false_accepts_per_hour": at,
            "own_thresholds": [each.to_dict() for each in self.operations(None)],
            "latency": [
                {
                    "contender": each.contender,
                    "condition": each.condition,
                    "seconds": each.latency and each.latency.to_dict(),
                }
                for each in self.listened
            ],
            "costs": [cost.to_dict() for cost in self.costs],
        }

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the DET curves as rows of `COLUMNS`."""
        return [
            (each.contender, word, each.condition, point.threshold, *_counts(found))
            for each in self.listened
            for point in each.curve
            for word, found in point.per_word.items()
            if word in each.own
        ]

    def write(self, folder: str | Path) -> list[Path]:
        """Write ``wake.json`` and the DET curves, ``wake.csv``, into a folder, which is created."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows([COLUMNS, *self.rows()])
        atomic.write(folder / "wake.csv", table.getvalue())
        return [atomic.write_json(folder / "wake.json", self.to_dict()), folder / "wake.csv"]


def _counts(found: Detections) -> Sequence[float]:
    return found.n_labels, found.n_hits, found.n_false, found.hours
