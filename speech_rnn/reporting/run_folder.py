"""The results in the folder of a run."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speech_rnn.detection.det_curve import DetectionReport
from speech_rnn.engines.loading import RUN_FILE
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.evaluation.results import Evaluation, Row
from speech_rnn.evaluation.scoring import score
from speech_rnn.metrics import Accuracy
from speech_rnn.recognizer import Recognizer
from speech_rnn.storage.tables import made, read_records
from speech_rnn.vocabulary import Vocabulary

Curve = list[tuple[float, float]]
"""(epoch, value) pairs in order."""


@dataclass(frozen=True)
class Stressed:
    """Accuracy under one condition, for one kind of noise: a row of ``stress.json``."""

    condition: str
    value: float | str | None
    accuracy: Accuracy
    kind: str = ""


@dataclass(frozen=True)
class RunFolder:
    """A training's figures, curves and Recognizer.

    Parameters
    ----------
    path : the folder.
    metrics : content of ``metrics.json``.
    evaluation : evaluation from ``hypotheses.jsonl``; None if the corpus has no test split.
    curves : curves of the logs, by name.
    stress : content of ``stress.json``, if `speech_rnn.stress` wrote one.
    detection : content of ``detection.json``, if `speech_rnn.detect` wrote one.
    """

    path: Path
    metrics: dict[str, Any]
    recognizer: Recognizer
    evaluation: Evaluation | None
    curves: dict[str, Curve]
    stress: tuple[Stressed, ...]
    detection: DetectionReport | None

    @classmethod
    def load(cls, path: str | Path, recognizer: Recognizer | None = None) -> RunFolder:
        """Read a folder that training wrote, with its Recognizer unless it is given.

        Raises
        ------
        ConfigurationError
            if the folder is not that of a training.
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
            metrics = _json(path / "metrics.json")
            recognizer = recognizer or Recognizer.load(path / RUN_FILE)
            stress = _json(path / "stress.json") or {"rows": []}
            detection = _json(path / "detection.json")
            return cls(
                path,
                metrics,
                recognizer,
                _evaluation(path / "hypotheses.jsonl", recognizer.vocabulary),
                _curves(path / "logs" / "csv"),
                tuple(map(_stressed, stress["rows"])),
                detection and DetectionReport.from_dict(detection),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"run={str(path)!r} cannot be read: {error!r}") from error


def _json(path: Path) -> Any:
    return json.loads(path.read_text()) if path.is_file() else None


def _evaluation(path: Path, vocabulary: Vocabulary) -> Evaluation | None:
    if not path.is_file():
        return None
    records = read_records(path, "hypotheses")
    rows = made(records, lambda _, row: Row.from_dict(row, vocabulary), path, "hypotheses")
    return score(rows, vocabulary)


def _stressed(row: dict[str, Any]) -> Stressed:
    share = row["accuracy"]
    accuracy = Accuracy(share["correct"], share["total"])
    return Stressed(row["condition"], row["value"], accuracy, row.get("kind", ""))


def _curves(folder: Path) -> dict[str, Curve]:
    """Read Lightning's tables, one per start of the run; each row has some of the values."""
    rows: list[dict[str, str]] = []
    for file in sorted(folder.glob("version_*/metrics.csv"), key=lambda file: file.stat().st_mtime):
        # A killed run may leave an incomplete line.
        whole, _, _ = file.read_text(encoding="utf-8").rpartition("\n")
        rows += csv.DictReader(io.StringIO(whole))
    ends = [(float(row["step"]), float(row["epoch"]) + 1) for row in rows if row.get("epoch")]
    last_step, last_epoch = max(ends, default=(1.0, 1.0))
    curves: dict[str, Curve] = defaultdict(list)
    for row in rows:
        epoch = (float(row["step"]) + 1) * last_epoch / (last_step + 1)
        for name, value in row.items():
            if value and name not in ("epoch", "step"):
                curves[name].append((epoch, float(value)))
    return {name: sorted(curve) for name, curve in curves.items()}
