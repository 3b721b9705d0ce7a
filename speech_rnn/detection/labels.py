"""Reference labels of long recordings: the words and their times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from speech_rnn.data.words import text_of
from speech_rnn.errors import DataError, did_you_mean
from speech_rnn.storage.columns import Columns
from speech_rnn.storage.paths import sound_path
from speech_rnn.storage.tables import is_table, made, read_records
from speech_rnn.storage.text import read_lines

COLUMNS = Columns(
    ("file", "word", "start", "end"),
    others={"audio": "file", "file_name": "file", "text": "word", "label": "word"},
)
ROUNDING_SECONDS = 0.001
"""Tolerance for times of neighbours and the end of a file: people write milliseconds."""


@dataclass(frozen=True)
class Label:
    """A word that is spoken from `start` to `end`, in seconds."""

    word: str
    start: float
    end: float


@dataclass(frozen=True)
class LabelRow:
    """A label and its origin.

    Parameters
    ----------
    label : the word and its times.
    file : path of the recording; None if the labels name none, as in Audacity's files.
    place : the file of labels and the line within it.
    """

    label: Label
    file: Path | None
    place: str


def read_labels(path: str | Path) -> list[LabelRow]:
    """Read labels; the file's ending decides the format.

    ``.csv`` with a header line, and ``.jsonl``, have ``file``, ``word``, ``start`` and ``end``. A
    relative file starts at the folder of the labels. Other columns are ignored, so that the output
    of ``spot`` can be corrected and read back. ``.txt`` is a label track of Audacity for a single
    recording: start, end and word, separated by tabs.

    Raises
    ------
    DataError
        if the file cannot be read or has another ending, or rows are wrong: the error lists all of
        them with their lines.
    """
    path = Path(path)
    if not is_table(path, ".txt"):
        raise DataError(f"labels={str(path)!r} must end in .csv, .jsonl or .txt (Audacity)")

    def row(line: int, record: Mapping[str, Any]) -> LabelRow:
        file = Path(sound_path(record["file"], path.parent)) if "file" in record else None
        return LabelRow(_label(record), file, f"{path} line {line}")

    records = (
        _track(path) if path.suffix.lower() == ".txt" else read_records(path, "labels", COLUMNS)
    )
    return made(records, row, path, "labels")


def _track(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    for line, content in enumerate(read_lines(path, "labels"), start=1):
        # In Audacity's files, a line with a backslash holds the frequencies of the previous label.
        if content.strip() and not content.startswith("\\"):
            yield line, dict(zip(("start", "end", "word"), content.split("\t"), strict=False))


def _label(record: Mapping[str, Any]) -> Label:
    word = text_of("" if record["word"] is None else record["word"], "word")
    start, end = float(record["start"]), float(record["end"])
    if not word:
        raise ValueError("word must not be empty")
    if not (isfinite(end) and 0 <= start < end):
        raise ValueError(
            f"start={start:g} and end={end:g} must be times of 0 s or above, in this order"
        )
    return Label(word, start, end)


def check_labels(rows: Sequence[LabelRow], duration: float, vocabulary: Iterable[str]) -> None:
    """Raise for impossible labels of a recording.

    Raises
    ------
    DataError
        if words are not in the vocabulary, labels lie beyond the end of the recording, or labels of
        the same word overlap; the error lists all of them with their rows.
    """
    words = list(vocabulary)
    wrong = []
    before: dict[str, LabelRow] = {}
    for row in sorted(rows, key=lambda row: row.label.start):
        label = row.label
        if label.word not in words:
            hint = did_you_mean(label.word, words)
            wrong.append(f"{row.place}: {label.word!r} is not a word of the model{hint}")
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
        raise DataError("\n".join(["labels are impossible:", *(f"  {line}" for line in wrong)]))
