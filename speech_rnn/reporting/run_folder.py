"""What a run has left in its folder."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speech_rnn.data.corpus import Composition, Part, Utterance
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.files.tables import made, read_records
from speech_rnn.recognizer import Recognizer

__all__ = ["Curve", "RunFolder", "is_right", "utterance_of"]

Curve = list[tuple[float, float]]
"""(epoch, value) pairs in their order."""


@dataclass(frozen=True)
class RunFolder:
    """A training's figures, curves and Recognizer.

    Parameters
    ----------
    path : the folder.
    metrics : of ``metrics.json``.
    evaluation : of ``evaluation.json``; None where the corpus has no test split.
    rows : of ``hypotheses.jsonl``, an utterance each.
    curves : of the logs, by name.
    stress : rows of ``stress.json``, where `speech_rnn.stress` wrote one.
    detection : of ``detection.json``, where `speech_rnn.detect` wrote one.
    """

    path: Path
    metrics: dict[str, Any]
    recognizer: Recognizer
    evaluation: dict[str, Any] | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    curves: dict[str, Curve] = field(default_factory=dict)
    stress: list[dict[str, Any]] = field(default_factory=list)
    detection: dict[str, Any] | None = None

    @classmethod
    def load(cls, path: str | Path, recognizer: Recognizer | None = None) -> RunFolder:
        """Read a folder that training wrote; its Recognizer too, unless it is given.

        Raises
        ------
        ConfigurationError
            if it is none.
        DataError
            if one of its files cannot be read.
        ModelError
            if its Recognizer cannot be loaded.
        """
        path = Path(path)
        if not (path / "metrics.json").is_file():
            raise ConfigurationError(
                f"run={str(path)!r} holds no metrics.json; give the output_dir of a training"
            )
        try:
            return cls(
                path,
                json.loads((path / "metrics.json").read_text()),
                recognizer or Recognizer.load(path / "recognizer.safetensors"),
                _json(path / "evaluation.json"),
                _lines(path / "hypotheses.jsonl"),
                _curves(path / "logs" / "csv"),
                (_json(path / "stress.json") or {}).get("rows", []),
                _json(path / "detection.json"),
            )
        except (OSError, ValueError) as error:
            raise DataError(f"run={str(path)!r} cannot be read: {error}") from error

    @property
    def heard(self) -> list[dict[str, Any]]:
        """The utterances that could be read."""
        return [row for row in self.rows if "error" not in row]


def is_right(row: dict[str, Any]) -> bool:
    """Whether an utterance's answer is right; runs of before said it by their labels alone."""
    return bool(row.get("is_correct", row["label"] == row["reference"]))


def utterance_of(row: dict[str, Any]) -> Utterance:
    """Return the utterance that a line of ``hypotheses.jsonl`` tells of."""
    composition = None
    if given := row.get("composition"):
        parts = tuple(Part(**part) for part in given["parts"])
        composition = Composition(**{**given, "parts": parts})
    return Utterance(
        row["file"],
        row["reference"],
        row["speaker"],
        "test",
        row["start_seconds"],
        row.get("duration_seconds"),
        row.get("gain", 1.0),
        composition,
    )


def _json(path: Path) -> Any:
    return json.loads(path.read_text()) if path.is_file() else None


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return made(read_records(path, "hypotheses"), lambda _, row: row, path, "hypotheses")


def _curves(folder: Path) -> dict[str, Curve]:
    """Read Lightning's tables: one a start of the run, with a row where anything was logged."""
    rows: list[dict[str, str]] = []
    for file in sorted(folder.glob("version_*/metrics.csv"), key=lambda file: file.stat().st_mtime):
        with file.open(newline="") as table:
            rows += csv.DictReader(table)
    ends = [(float(row["step"]), float(row["epoch"]) + 1) for row in rows if row.get("epoch")]
    last_step, last_epoch = max(ends, default=(1.0, 1.0))
    curves: dict[str, Curve] = defaultdict(list)
    for row in rows:
        epoch = (float(row["step"]) + 1) * last_epoch / (last_step + 1)
        for name, value in row.items():
            if value and name not in ("epoch", "step"):
                curves[name].append((epoch, float(value)))
    return {name: sorted(curve) for name, curve in curves.items()}
