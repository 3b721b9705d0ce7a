"""``index.json`` beside shards: their contents, with which missing and damaged shards are found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from speech_rnn.data.shards.scan import Shard
from speech_rnn.errors import DataError
from speech_rnn.storage.text import read_text

INDEX = "index.json"
NOISE = "noise"
"""Folder beside the shards with the recordings of noise of their corpus."""


@dataclass(frozen=True)
class ShardEntry:
    """A shard as the index has it: its name, size, hash, clips, and their duration in seconds."""

    name: str
    bytes: int
    sha256: str
    clips: int
    seconds: float


@dataclass(frozen=True)
class SplitEntry:
    """The shards of a split, and how many clips have each text (none if most differ)."""

    clips: int
    seconds: float
    classes: dict[str, int]
    shards: list[ShardEntry]

    @property
    def path(self) -> str:
        """The names of the shards as ``data.path`` takes them: ``train-{000..359}.tar``."""
        first, last = self.shards[0].name, self.shards[-1].name
        stem, _, number = first.removesuffix(".tar").rpartition("-")
        end = last.removesuffix(".tar").rpartition("-")[2]
        return first if first == last else f"{stem}-{{{number}..{end}}}.tar"


@dataclass(frozen=True)
class Index:
    """A description of the shards of a folder.

    Parameters
    ----------
    sample_rate : sample rate of all clips in Hz.
    words : the classes, or the words that may occur, in their order.
    sentences : whether texts are sentences, see `Corpus`.
    synthetic : words that only synthesizers speak.
    corpus_sha256 : fingerprint of the corpus of which the shards were made.
    splits : shards of each split.
    """

    sample_rate: int
    words: list[str]
    sentences: bool
    synthetic: list[str]
    corpus_sha256: str
    splits: dict[str, SplitEntry]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def read(cls, path: Path) -> Index:
        """Read an index.

        Raises
        ------
        DataError
            if it cannot be read, or is no index of shards.
        """
        try:
            values = json.loads(read_text(path, INDEX))
            splits = {
                name: SplitEntry(**{**one, "shards": [ShardEntry(**s) for s in one["shards"]]})
                for name, one in values.pop("splits").items()
            }
            return cls(**values, splits=splits)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(f"{path}: is no index of shards; write the shards again") from error

    def entries(self) -> dict[str, ShardEntry]:
        """Return the entry of each shard by its name."""
        return {one.name: one for split in self.splits.values() for one in split.shards}


def check_size(path: Path, index: Index, place: Path) -> None:
    """Raise a `DataError` if a shard is not in the index beside it, or has another size."""
    entry = index.entries().get(path.name)
    if entry is None:
        raise DataError(
            f"{path}: is not in {place}; move it to another folder, or write the index again"
        )
    if (size := path.stat().st_size) != entry.bytes:
        raise DataError(
            f"{path}: has {size} bytes, and {place} says {entry.bytes}: it is cut short, or "
            "belongs to other shards; fetch it again"
        )


def check_scan(shard: Shard, index: Index, place: Path) -> None:
    """Raise a `DataError` if the content of a shard is not that of the index beside it."""
    entry = index.entries()[Path(shard.path).name]
    for what, there, stated in (
        ("clips", len(shard), entry.clips),
        ("a SHA-256 of", shard.sha256, entry.sha256),
        ("a sample rate of", shard.sample_rate, index.sample_rate),
    ):
        if there != stated:
            raise DataError(
                f"{shard.path}: has {what} {there}, and {place} says {stated}; fetch both again"
            )


def check_agreement(indices: Sequence[tuple[Path, Index]]) -> None:
    """Raise a `DataError` if two indices describe corpora that do not fit each other."""
    for (first, one), (second, other) in pairwise(indices):
        for name in ("sample_rate", "words", "sentences"):
            if getattr(one, name) != getattr(other, name):
                raise DataError(
                    f"{first} and {second} disagree: {name} is {getattr(one, name)!r:.60} there, "
                    f"{getattr(other, name)!r:.60} here; use shards of one corpus"
                )
