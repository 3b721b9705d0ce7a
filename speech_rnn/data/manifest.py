"""Utterances as rows of JSON Lines or CSV: a user's own corpus in one file."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from speech_rnn.audio.finding import sound_files
from speech_rnn.data.corpus import PINK, SPLITS, Composition, Corpus, Part, Utterance
from speech_rnn.data.splits import split_by_rank
from speech_rnn.data.words import MOST_CHARACTERS, text_of, texts_of
from speech_rnn.errors import DataError
from speech_rnn.storage import atomic
from speech_rnn.storage.columns import Columns
from speech_rnn.storage.paths import sound_path
from speech_rnn.storage.tables import made, read_records

COLUMNS = Columns(
    ("audio", "text"),
    tuple(field.name for field in fields(Utterance) if field.name not in ("audio", "text")),
    {
        # NeMo, Common Voice, Hugging Face's AudioFolder, DeepSpeech, and common names.
        **dict.fromkeys(
            ("audio_filepath", "audio_path", "file_name", "filename", "filepath", "file_path",
             "path", "file", "fname", "audio_file", "wav_filename", "wav"), "audio"
        ),
        **dict.fromkeys(
            ("sentence", "transcription", "transcript", "command", "label", "word", "keyword"),
            "text",
        ),
        **dict.fromkeys(("speaker_id", "client_id"), "speaker"),
        **dict.fromkeys(("subset", "partition"), "split"),
        **dict.fromkeys(("start", "offset"), "start_seconds"),
        "duration": "duration_seconds",
    },
)  # fmt: skip
"""The fields of an `Utterance`, and their names in other formats."""

SPLIT_NAMES = {
    "training": "train",
    **dict.fromkeys(("val", "valid", "dev", "development"), "validation"),
    **dict.fromkeys(("testing", "eval", "evaluation"), "test"),
}
"""Other names of splits."""

RANGES = {
    "start_seconds": (0.0, 1e6),
    "duration_seconds": (0.0, 1e6),
    "at_seconds": (0.0, 1e6),
    "noise_seconds": (0.0, 1e6),
    "noise_snr_db": (-200.0, 200.0),
    "gain": (0.0, 1e3),
}
"""Lowest and highest value of each number of a row; a duration must also be above 0."""

LONGEST_COMPOSED = 3600
"""Longest duration of a composed row, in seconds."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Manifest:
    """A corpus from one manifest file, whose rows name their splits.

    If no row names its split, the clips of each text are split 70/10/20 by the hash of their
    paths, as `split_by_rank` does.

    Parameters
    ----------
    path : a ``.jsonl``, ``.csv`` or ``.tsv`` file, see `read_manifest`.
    words : the vocabulary in its order. None takes the texts of the training and validation rows
        (of all rows if there are none), sorted: for classes each text, for CTC the words or
        characters of the texts.
    noise : sound files, or folders of them, that training may mix in.

    Raises
    ------
    ConfigurationError
        if words are not texts, or are given twice.
    """

    path: str
    words: Sequence[str] | None = None
    noise: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.words is not None:
            texts_of(self.words)

    def prepare(self) -> Corpus:
        """Read the manifest.

        Raises
        ------
        DataError
            if the manifest cannot be read or holds no rows, or noise cannot be found.
        """
        path = Path(self.path).expanduser()
        rows, has_splits = _read(path)
        if not has_splits:
            rows = _split_by_path(rows, path.parent)
            counts = Counter(row.split for row in rows)
            sizes = {split: counts[split] for split in SPLITS}
            log.info("%s names no splits; by the hash of the paths: %s", self.path, sizes)
        known = [row for row in rows if row.split != "test"] or rows
        return Corpus(
            tuple(rows),
            tuple(texts_of(self.words) if self.words else sorted({row.text for row in known})),
            tuple(sound_files(self.noise, "noise")),
            sentences=not self.words,
        )


def read_manifest(path: str | Path) -> list[Utterance]:
    """Read utterances from JSON (one object per line, or a list) or from CSV with a header line.

    The file ending decides which. Columns may be named as in NeMo, Common Voice and Hugging Face's
    AudioFolder, see `COLUMNS`; other columns are ignored. Texts are normalised to single spaces
    and composed letters (NFC), and numbers are taken as texts. A relative ``audio`` path starts at
    the manifest's folder, or at its folder ``clips`` if the column is Common Voice's ``path``.

    Raises
    ------
    DataError
        if the manifest is missing or empty, its header line is wrong, or rows are wrong: the error
        lists the first of them with their line numbers.
    """
    return _read(Path(path))[0]


def _read(path: Path) -> tuple[list[Utterance], bool]:
    """Return the rows, and whether any row names its split."""
    has_splits = False

    def row(_: int, record: Any) -> Utterance:
        nonlocal has_splits
        utterance = _utterance(record, path.parent)
        has_splits = has_splits or bool(record.get("split"))
        return utterance

    rows = made(read_records(path, "manifest", COLUMNS), row, path, "manifest")
    if not rows:
        raise DataError(f"manifest={str(path)!r} holds no rows; give at least audio and text")
    return rows, has_splits


def _split_by_path(rows: Sequence[Utterance], folder: Path) -> list[Utterance]:
    names = [_below(row, folder) for row in rows]
    splits = split_by_rank(names, [row.text for row in rows])
    return [replace(row, split=split) for row, split in zip(rows, splits, strict=True)]


def _below(row: Utterance, folder: Path) -> str:
    """Name a clip by its path below the manifest's folder, and its start."""
    path = Path(row.audio)
    name = path.relative_to(folder) if path.is_relative_to(folder) else path
    return f"{name.as_posix()}@{row.start_seconds:g}" if row.start_seconds else name.as_posix()


def write_manifest(path: str | Path, utterances: Iterable[Utterance]) -> None:
    """Write utterances as JSON Lines or CSV; the ending of `path` decides which.

    A file name that is not UTF-8 keeps its bytes in JSON Lines only.
    """
    path = Path(path)
    rows = [row.to_dict() for row in utterances]
    text = io.StringIO(newline="")
    if (suffix := path.suffix.lower()) in (".csv", ".tsv"):
        names = [field.name for field in fields(Utterance)]
        writer = csv.DictWriter(text, names, delimiter="\t" if suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(
            row | {"composition": json.dumps(row["composition"])} if "composition" in row else row
            for row in rows
        )
    else:
        text.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    atomic.write(path, text.getvalue())


def _utterance(record: Any, folder: Path) -> Utterance:
    if not isinstance(record, Mapping):
        raise ValueError("a row must be an object with at least audio and text")
    given = {key: value for key, value in record.items() if value not in ("", None)}
    if missing := [name for name in COLUMNS.needed if name not in given]:
        raise ValueError(f"{' and '.join(missing)} must not be empty")
    for key in RANGES:
        if key in given:
            given[key] = _number(given[key], key)
    given["text"] = _text(given["text"])
    if "speaker" in given:
        given["speaker"] = text_of(given["speaker"], "speaker")
    if "composition" in given:
        given["composition"] = _composition(given["composition"], folder)
        given["audio"] = text_of(given["audio"], "audio")
        if not 0 < given.get("duration_seconds", 0) <= LONGEST_COMPOSED:
            raise ValueError(f"a composed row needs a duration of at most {LONGEST_COMPOSED} s")
    else:
        given["audio"] = sound_path(given["audio"], folder)
    row = Utterance(**given)
    split = SPLIT_NAMES.get(str(row.split).strip().lower(), str(row.split).strip().lower())
    if split not in SPLITS:
        raise ValueError(f"split={row.split!r} must be one of {', '.join(SPLITS)}")
    return replace(row, split=split)


def _text(value: Any) -> str:
    text = text_of(value, "text")
    if not text:
        raise ValueError("text must not be empty")
    return text


def _number(value: Any, name: str) -> float:
    """Read a number, also with a decimal comma, as spreadsheets of many languages write it."""
    try:
        number = float(value.replace(",", ".") if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name}={str(value)[:MOST_CHARACTERS]!r} must be a number") from error
    low, high = RANGES[name]
    if not low <= number <= high or (name == "duration_seconds" and number == 0):
        raise ValueError(f"{name}={number:g} must lie in [{low:g}, {high:g}]")
    return number


def _composition(given: Any, folder: Path) -> Composition:
    try:
        values = json.loads(given) if isinstance(given, str) else dict(given)
        parts = tuple(_part(part, folder) for part in values["parts"])
        noise = values.get("noise", PINK)
        values["noise"] = noise if noise == PINK else sound_path(noise, folder)
        for name in ("noise_seconds", "noise_snr_db"):
            if values.get(name) is not None:
                values[name] = _number(values[name], name)
        return Composition(**{**values, "parts": parts})
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ValueError(f"composition is wrong: {error}") from error


def _part(given: Any, folder: Path) -> Part:
    numbers = {name: _number(given[name], name) for name in RANGES if name in given}
    text = text_of(given["text"], "text")
    return Part(**{**given, **numbers, "audio": sound_path(given["audio"], folder), "text": text})
