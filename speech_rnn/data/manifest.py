"""Utterances as rows, in JSON Lines or CSV: a user's own corpus is one file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from speech_rnn.data.corpus import PINK, SPLITS, Composition, Corpus, Part, Utterance
from speech_rnn.errors import DataError
from speech_rnn.storage.tables import made, read_records


@dataclass(frozen=True)
class Manifest:
    """A corpus from one manifest file whose rows name their split.

    Parameters
    ----------
    path : a ``.jsonl`` or ``.csv`` file, see `read_manifest`.
    words : the vocabulary in its order. None takes the texts of the training and validation rows,
        or of all rows where there is no such one, sorted: for classes each text, for CTC the words
        or characters of the texts.
    noise : sound files that training may mix in.
    """

    path: str
    words: tuple[str, ...] | None = None
    noise: tuple[str, ...] = ()

    def prepare(self) -> Corpus:
        """Read the manifest.

        Raises
        ------
        DataError
            if the manifest cannot be read or holds no rows.
        """
        rows = read_manifest(self.path)
        known = [row for row in rows if row.split != "test"] or rows
        return Corpus(
            tuple(rows),
            tuple(self.words or sorted({row.text for row in known})),
            tuple(Path(file) for file in self.noise),
            sentences=not self.words,
        )


def read_manifest(path: str | Path) -> list[Utterance]:
    """Read utterances from JSON Lines or CSV (with a header line); the ending decides which.

    A relative ``audio`` path starts at the manifest's own folder.

    Raises
    ------
    DataError
        for a missing or empty manifest, and for the rows that are wrong: all of them at once,
        each with its line.
    """
    path = Path(path)
    records = read_records(path, "manifest")
    rows = made(records, lambda _, record: _utterance(record, path.parent), path, "manifest")
    if not rows:
        raise DataError(f"manifest={str(path)!r} holds no rows; give at least audio and text")
    return rows


def write_manifest(path: str | Path, utterances: Iterable[Utterance]) -> None:
    """Write utterances as JSON Lines or CSV; the ending of `path` decides which."""
    path = Path(path)
    rows = [row.to_dict() for row in utterances]
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            writer = csv.DictWriter(file, [field.name for field in fields(Utterance)])
            writer.writeheader()
            writer.writerows(
                row | {"composition": json.dumps(row["composition"])}
                if "composition" in row
                else row
                for row in rows
            )
        else:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _utterance(record: Any, folder: Path) -> Utterance:
    if not isinstance(record, Mapping):
        raise ValueError("a row must be an object with at least audio and text")
    given = {key: value for key, value in record.items() if value not in ("", None)}
    known = {field.name for field in fields(Utterance)}
    if unknown := sorted(str(key) for key in given if key not in known):
        raise ValueError(f"unknown columns {unknown}; known are {sorted(known)}")
    if missing := [key for key in ("audio", "text") if key not in given]:
        raise ValueError(f"{' and '.join(missing)} must not be empty")
    for key in ("start_seconds", "duration_seconds", "gain"):
        if key in given:
            given[key] = float(given[key])
    if "composition" in given:
        given["composition"] = _composition(given["composition"], folder)
    else:
        given["audio"] = str(folder / str(given["audio"]))
    row = Utterance(**given)
    if row.split not in SPLITS:
        raise ValueError(f"split={row.split!r} must be one of {', '.join(SPLITS)}")
    return row


def _composition(given: Any, folder: Path) -> Composition:
    values = json.loads(given) if isinstance(given, str) else given
    try:
        parts = tuple(
            Part(**{**part, "audio": str(folder / part["audio"])}) for part in values["parts"]
        )
        noise = values.get("noise", PINK)
        noise = noise if noise == PINK else str(folder / noise)
        return Composition(**{**values, "parts": parts, "noise": noise})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"composition is wrong: {error}") from error
