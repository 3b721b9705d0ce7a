"""The text, speaker and split of each clip of a shard, as different programs write them."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speech_rnn.data.manifest import COLUMNS, SPLIT_NAMES
from speech_rnn.data.words import clean
from speech_rnn.errors import DataError
from speech_rnn.storage.text import read_lines

TEXTS = ("txt", "text", "transcript", "cls")
"""Endings of members that hold nothing but the text or the class of a clip."""
JSON = "json"


@dataclass(frozen=True)
class Label:
    """The text, the speaker and the split of a clip; an unknown one is empty."""

    text: str
    speaker: str = ""
    split: str = ""


@dataclass(frozen=True)
class Labels:
    """The labels of a shard: beside the clips in the archive, or in a table outside of it.

    Parameters
    ----------
    table : labels by the name of the audio member or its key; None takes those of the archive.
    """

    table: Mapping[str, Label] | None = None

    def of(self, key: str, audio: str, members: Mapping[str, bytes]) -> Label | None:
        """Return the label of a clip; None if a table does not list it.

        Parameters
        ----------
        key : name of the clip without its ending.
        audio : name of its audio member.
        members : contents of its other members, by ending.

        Raises
        ------
        ValueError
            if the clip has no text.
        """
        if self.table is not None:
            return self.table.get(audio) or self.table.get(key)
        found: dict[str, Any] = {}
        if JSON in members:
            found = _named(json.loads(members[JSON]))
        text = found.get("text")
        if text is None:
            text = next((members[end].decode() for end in TEXTS if end in members), None)
        if text is None or not clean(str(text)):
            raise ValueError("has no text: a .json with text, a .txt or a .cls")
        split = str(found.get("split") or "").strip().lower()
        speaker = str(found.get("speaker") or "")
        return Label(clean(str(text)), speaker, SPLIT_NAMES.get(split, split))


def _named(record: Any) -> dict[str, Any]:
    """Return the values of an object under the names of columns, see `manifest.COLUMNS`."""
    if not isinstance(record, dict):
        raise ValueError("its .json holds no object")
    own = ("text", "speaker", "split")
    named = {COLUMNS.others.get(key, key): value for key, value in record.items()}
    return {**named, **{key: record[key] for key in own if key in record}}


@dataclass
class LabelFiles:
    """Finds the labels of each shard.

    Parameters
    ----------
    manifests : NeMo's manifests of tarred audio, whose lines name members of the shards.
    """

    manifests: Iterable[Path] = ()
    _table: dict[str, Label] | None = field(default=None, init=False)

    def of_shard(self, shard: Path) -> Labels:
        """Return the labels of a shard.

        They are those of the manifests if there are any; those of Lhotse's
        ``cuts.000000.jsonl.gz`` for ``recording.000000.tar``; otherwise those of the archive.
        """
        if self.manifests:
            if self._table is None:
                self._table = {
                    name: label for path in self.manifests for name, label in _nemo(path)
                }
            return Labels(self._table)
        if cuts := cuts_of(shard):
            return Labels(dict(_lhotse(cuts)))
        return Labels()


def cuts_of(shard: Path) -> Path | None:
    """Return the file of cuts that Lhotse Shar puts beside a shard of recordings, if there is."""
    number = re.fullmatch(r"[^.]+\.(\d+)\.tar", shard.name)
    names = [f"cuts.{number[1]}.jsonl{end}" for end in (".gz", "")] if number else []
    return next((shard.with_name(name) for name in names if shard.with_name(name).exists()), None)


def _nemo(path: Path) -> Iterable[tuple[str, Label]]:
    """Yield the name of each member in a manifest, and its label."""
    for number, line in enumerate(read_lines(path, "data.manifest"), start=1):
        if not line.strip():
            continue
        try:
            record = _named(json.loads(line))
            label = Label(clean(str(record["text"])), str(record.get("speaker") or ""))
            yield str(record["audio"]), label
        except (ValueError, KeyError) as error:
            raise DataError(
                f"data.manifest={str(path)!r}: line {number} needs audio_filepath and text"
            ) from error


def _lhotse(path: Path) -> Iterable[tuple[str, Label]]:
    """Yield the id of each cut, which is the key of its recording, and its label."""
    try:
        with path.open("rb") as file, gzip.open(file) if path.suffix == ".gz" else file as lines:
            for line in lines:
                cut = json.loads(line)
                spoken = cut.get("supervisions") or [{}]
                text = clean(" ".join(str(each.get("text") or "") for each in spoken))
                if text:
                    yield str(cut["id"]), Label(text, str(spoken[0].get("speaker") or ""))
    except (OSError, EOFError, ValueError, KeyError, AttributeError) as error:
        raise DataError(f"{path}: cannot be read as Lhotse's cuts ({error})") from error
