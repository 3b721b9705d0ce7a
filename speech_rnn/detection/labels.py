"""Words with their times in long recordings: what a listener should have found."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any

from speech_rnn.errors import DataError

__all__ = ["Label", "LabelRow", "check_labels", "read_labels"]

COLUMNS = ("file", "word", "start", "end")
JSON_LINES = (".jsonl", ".json", ".ndjson")
ROUNDING_SECONDS = 0.001
"""By which times of neighbours, and the end of a file, may differ: people write milliseconds."""


@dataclass(frozen=True)
class Label:
    """A word that is said from `start` to `end`, in seconds."""

    word: str
    start: float
    end: float


@dataclass(frozen=True)
class LabelRow:
    """A label and where it comes from.

    Parameters
    ----------
    label : the word and its times.
    file : the recording, a path; None where the labels name none, as Audacity's do.
    place : its file of labels, and the line in it.
    """

    label: Label
    file: Path | None
    place: str


def read_labels(path: str | Path) -> list[LabelRow]:
    """Read labels; the ending decides how.

    ``.csv`` with a header line, and ``.jsonl``, hold ``file``, ``word``, ``start`` and ``end``,
    where a relative file starts at the folder of the labels; what else they hold does not matter,
    so that what ``spot`` has written can be put right and read back. ``.txt`` is a label track of
    Audacity: start, end and word, parted by tabs, of one recording.

    Raises
    ------
    DataError
        for a file that cannot be read or has another ending, and for the rows that are wrong: all
        of them at once, each with its line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"labels={str(path)!r} cannot be read: {error}") from error
    rows, wrong = [], []
    for line, record in _records(path, text):
        try:
            if isinstance(record, ValueError):
                raise record
            file = path.parent / str(record["file"]) if "file" in record else None
            rows.append(LabelRow(_label(record), file, f"{path} line {line}"))
        except (KeyError, TypeError, ValueError) as error:
            told = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            wrong.append(f"  line {line}: {told}")
    if wrong:
        raise DataError("\n".join([f"labels={str(path)!r} has wrong rows:", *wrong]))
    return rows


def _records(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    if path.suffix == ".csv":
        reader = csv.DictReader(text.splitlines())
        if lacking := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
            raise DataError(f"labels={str(path)!r} has no column {', '.join(lacking)}")
        for record in reader:
            yield reader.line_num, record
        return
    if path.suffix not in (*JSON_LINES, ".txt"):
        raise DataError(f"labels={str(path)!r} must end in .csv, .jsonl or .txt (Audacity)")
    for line, content in enumerate(text.splitlines(), start=1):
        if not content.strip() or (path.suffix == ".txt" and content.startswith("\\")):
            continue  # after a backslash Audacity writes the frequencies of the label above
        if path.suffix == ".txt":
            yield line, dict(zip(("start", "end", "word"), content.split("\t"), strict=False))
        else:
            try:
                yield line, json.loads(content)
            except json.JSONDecodeError as error:
                yield line, error


def _label(record: Mapping[str, Any]) -> Label:
    word = str(record["word"] or "").strip()
    start, end = float(record["start"]), float(record["end"])
    if not word:
        raise ValueError("word must not be empty")
    if not (isfinite(end) and 0 <= start < end):
        raise ValueError(f"start={start:g} and end={end:g} must be times from 0 on, in this order")
    return Label(word, start, end)


def check_labels(rows: Sequence[LabelRow], duration: float, vocabulary: Iterable[str]) -> None:
    """Refuse labels of one recording that cannot be right.

    Raises
    ------
    DataError
        for words that are not in the vocabulary, labels past the end of the recording, and labels
        of the same word that overlap: all of them at once, each with its row.
    """
    words = list(vocabulary)
    wrong = []
    before: dict[str, LabelRow] = {}
    for row in sorted(rows, key=lambda row: row.label.start):
        label = row.label
        if label.word not in words:
            near = get_close_matches(label.word, words, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it knows {', '.join(words)}"
            wrong.append(f"{row.place}: {label.word!r} is no word of the model; {hint}")
        if label.end > duration + ROUNDING_SECONDS:
            wrong.append(
                f"{row.place}: end={label.end:g} lies past the end of the recording at "
                f"{duration:g} s"
            )
        other = before.get(label.word)
        if other is not None and label.start < other.label.end - ROUNDING_SECONDS:
            wrong.append(
                f"{row.place}: {label.word!r} from {label.start:g} to {label.end:g} overlaps the "
                f"same word in {other.place}, which ends at {other.label.end:g}"
            )
        if other is None or label.end > other.label.end:
            before[label.word] = row
    if wrong:
        raise DataError("\n".join(["labels cannot be right:", *(f"  {line}" for line in wrong)]))
