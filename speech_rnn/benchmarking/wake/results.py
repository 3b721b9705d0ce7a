"""The results of a wake-word benchmark: detections of each contender, and their rates."""

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
"""False accepts an hour at which shares of found words are reported."""
COLUMNS = ("contender", "word", "condition", "threshold", "said", "found", "false", "hours")


@dataclass(frozen=True)
class Listened:
    """The results of a contender under a condition.

    Parameters
    ----------
    contender, condition : their names.
    own : counts of each word by the contender's own thresholds.
    curve : counts of each word by threshold, from the lowest to the highest.
    latency : seconds from the end of a word to its event, by its own thresholds; None without any.
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
        """Make the results from `to_dict`'s values."""

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
    """A contender that listens for a word with one threshold, whatever the condition.

    Parameters
    ----------
    threshold : the threshold; None is its own.
    found : counts by condition.
    """

    contender: str
    word: str
    threshold: float | None
    found: dict[str, Detections]

    @property
    def total(self) -> Detections:
        """All conditions together."""
        return Detections.of_scenes([*self.found.values()])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        conditions = {name: found.to_dict() for name, found in self.found.items()}
        return vars(self) | {"found": conditions, "total": self.total.to_dict()}


@dataclass(frozen=True)
class Cost:
    """The cost of listening.

    Parameters
    ----------
    contender, words : who listens, and for what.
    seconds : time of one thread for a second of sound.
    n_bytes : size of the models.
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
    missing : contenders that were left out, and why.
    notes : warnings for whoever reads the figures.
    settings : streams, command, machine and versions of the run.
    """

    listened: tuple[Listened, ...]
    costs: tuple[Cost, ...]
    missing: dict[str, str]
    notes: tuple[str, ...]
    settings: dict[str, Any]

    @property
    def words(self) -> list[str]:
        """The words that were listened for."""
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
        """Return the curve of a word under each condition; none for a word that is not known."""
        return {
            each.condition: [
                DetPoint(point.threshold, {word: point.per_word[word]}) for point in each.curve
            ]
            for each in self._of(contender, word)
        }

    def pooled(self, contender: str, word: str) -> list[DetPoint]:
        """Return the curve of a word in all conditions together."""
        points = zip(*self.curves(contender, word).values(), strict=True)
        return [
            DetPoint(same[0].threshold, {word: Detections.of_scenes([one.total for one in same])})
            for same in points
        ]

    def operations(self, false_per_hour: float | None) -> list[Operation]:
        """Return how each contender finds each word that it knows.

        Parameters
        ----------
        false_per_hour : most false accepts of the word in an hour of all conditions together: the
            threshold is the one that misses least among those that keep it. Contenders without
            such a threshold are left out. None takes their own thresholds.
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
        """Write ``wake.json`` and the DET curves, ``wake.csv``, into a folder, which is made."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows([COLUMNS, *self.rows()])
        atomic.write(folder / "wake.csv", table.getvalue())
        return [atomic.write_json(folder / "wake.json", self.to_dict()), folder / "wake.csv"]


def _counts(found: Detections) -> Sequence[float]:
    return found.n_labels, found.n_hits, found.n_false, found.hours
