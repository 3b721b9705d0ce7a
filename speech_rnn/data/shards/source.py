"""Shards as a source of a corpus."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio.finding import sound_files, sounds_below
from speech_rnn.data.corpus import SPLITS, Corpus, PartedRows
from speech_rnn.data.shards.clips import sha256_of
from speech_rnn.data.shards.index import (
    INDEX,
    NOISE,
    Index,
    check_agreement,
    check_scan,
    check_size,
)
from speech_rnn.data.shards.labels import LabelFiles, cuts_of
from speech_rnn.data.shards.rows import Picked, ShardRows
from speech_rnn.data.shards.scan import Shard, scanned, stamp
from speech_rnn.data.splits import split_by_hash
from speech_rnn.data.words import texts_of
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.storage.folders import make_folder, writing

log = logging.getLogger(__name__)

BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}|_OP_(\d+)\.\.(\d+)_CL_")
"""Ranges of numbers in a path, as shells and WebDataset write them, and as NeMo does."""
SHOWN = 3


@dataclass(frozen=True)
class Shards:
    """Clips in tar archives, which are read in sequence and need not fit in memory.

    Archives are those of `speech_rnn.shard`, of the package ``webdataset`` (a sound and a ``.json``
    with ``text``, a ``.txt`` or a ``.cls`` for each clip), of NeMo (with `manifest`), or of Lhotse
    Shar (with ``cuts.000000.jsonl.gz`` beside ``recording.000000.tar``). Every archive is read once
    and checked; what is found is kept in `folder` until the archive changes.

    Splits are those of the index beside the shards or of `validation` and `test`. Without them,
    clips name their splits, or the hash of their names decides (70/10/20), see `split_by_hash`.

    Parameters
    ----------
    path : archives of the training, such as ``DIR/train-{000..359}.tar``, or a folder of them.
    validation, test : archives of the other splits; None takes those of the index.
    manifest : NeMo's manifest of the archives, or several with a range of numbers.
    words : the vocabulary in its order; None takes that of the index, or the texts of the training
        and validation clips, sorted.
    noise : sound files, or folders of them, that training may mix in; None takes the folder
        ``noise`` beside the shards.
    buffer : number of clips that training shuffles together. More need no more memory, and help if
        neighbours in a shard are alike.
    folder : folder of the files with what is known of the shards.

    Raises
    ------
    ConfigurationError
        if words are not texts or are given twice, or the buffer has no clip.
    """

    path: str
    validation: str | None = None
    test: str | None = None
    manifest: str | None = None
    words: Sequence[str] | None = None
    noise: Sequence[str] | None = None
    buffer: int = 5000
    folder: str | Path = "data/cache"

    def __post_init__(self) -> None:
        if self.words is not None:
            texts_of(self.words)
        if self.buffer < 1:
            raise ConfigurationError(f"data.buffer={self.buffer} must be 1 or more")

    def prepare(self) -> Corpus:
        """Check the shards and list their clips.

        Raises
        ------
        DataError
            if a shard is missing, torn, empty or unsorted, if sample rates differ, if an index
            disagrees with its shards or with another index, or if a clip has no text.
        """
        files, indices = self._files()
        if twice := {file for file in files["train"] for other in ("validation", "test")
                     if file in files[other]}:  # fmt: skip
            raise DataError(f"{min(twice)} is in two splits; each shard belongs to one")
        shards = self._scanned([file for paths in files.values() for file in paths], indices)
        _check_rates([shards[file] for file in shards])
        picked = _split(files, shards)
        rows = {split: ShardRows(picked[split], split, self.buffer) for split in SPLITS}
        texts = {text for split in ("train", "validation") for text in rows[split].texts()}
        index = next(iter(indices.values()), None)
        words = texts_of(self.words) if self.words else index.words if index else sorted(texts)
        is_sentences = index.sentences if index else not self.words
        whole = hashlib.sha256("".join(map(sha256_of, rows.values())).encode()).hexdigest()
        return Corpus(
            PartedRows({split: one for split, one in rows.items() if len(one)}, whole),
            tuple(words),
            self._noise(files["train"]),
            tuple(index.synthetic) if index else (),
            is_sentences,
        )

    def _files(self) -> tuple[dict[str, list[Path]], dict[Path, Index]]:
        """Return the archives of each split, and the index of each folder that has one."""
        files = {"train": expanded(self.path, "data.path"), "validation": [], "test": []}
        for split, given in (("validation", self.validation), ("test", self.test)):
            if given is not None:
                files[split] = expanded(given, f"data.{split}")
        folders = dict.fromkeys(file.parent for paths in files.values() for file in paths)
        indices = {
            folder: Index.read(folder / INDEX) for folder in folders if (folder / INDEX).exists()
        }
        check_agreement([(folder / INDEX, index) for folder, index in indices.items()])
        if index := indices.get(files["train"][0].parent):
            folder, others = files["train"][0].parent, {**index.splits}
            for split in ("validation", "test"):
                if not files[split] and split in others:
                    files[split] = [folder / one.name for one in others[split].shards]
            if Path(self.path).expanduser().is_dir() and "train" in others:
                files["train"] = [folder / one.name for one in others["train"].shards]
        if missing := [str(file) for paths in files.values() for file in paths
                       if not file.is_file()]:  # fmt: skip
            more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
            raise DataError(
                f"shards are missing: {', '.join(missing[:SHOWN])}{more}; fetch or write them, or "
                "correct data.path"
            )
        for paths in files.values():
            for file in paths:
                if index := indices.get(file.parent):
                    check_size(file, index, file.parent / INDEX)
        return files, indices

    def _scanned(self, files: Sequence[Path], indices: Mapping[Path, Index]) -> dict[Path, Shard]:
        """Return what is known of each shard."""
        tables = [] if self.manifest is None else expanded(self.manifest, "data.manifest")
        labels = LabelFiles(tables)
        folder = Path(self.folder)

        def of(file: Path) -> Shard:
            cuts = cuts_of(file)
            sources = " ".join(map(stamp, [*tables, *([cuts] if cuts else [])]))
            shard = scanned(file, lambda: labels.of_shard(file), folder, sources)
            if index := indices.get(file.parent):
                check_scan(shard, index, file.parent / INDEX)
            return shard

        with (
            writing(make_folder(folder, "paths.data"), "paths.data"),
            ThreadPoolExecutor(os.cpu_count()) as threads,
        ):
            return dict(zip(files, threads.map(of, files), strict=True))

    def _noise(self, files: Sequence[Path]) -> tuple[Path, ...]:
        if self.noise is None:
            return tuple(sounds_below(files[0].parent / NOISE))
        return tuple(sound_files(self.noise, "noise"))


def expanded(pattern: str, key: str) -> list[Path]:
    """Return the files of a pattern with ranges such as ``{000..359}``, or those of a folder.

    Raises
    ------
    DataError
        if a folder holds no archive, or a range does not ascend.
    """
    path = Path(pattern).expanduser()
    if path.is_dir():
        files = sorted(path.glob("*.tar"))
        if not files:
            raise DataError(f"{key}={pattern!r} holds no shard (.tar); name another folder")
        recordings = [file for file in files if cuts_of(file)]  # Lhotse Shar has other tars, too
        return recordings or files
    return [Path(one) for one in _ranges(str(path), key)]


def _ranges(pattern: str, key: str) -> Iterator[str]:
    if not (found := BRACES.search(pattern)):
        yield pattern
        return
    first, last = (found[1], found[2]) if found[1] else (found[3], found[4])
    if int(first) > int(last):
        raise DataError(
            f"{key}={pattern!r}: in {found[0]}, the first number must be below the second"
        )
    is_padded = any(end.startswith("0") and len(end) > 1 for end in (first, last))
    width = max(len(first), len(last)) if is_padded else 1
    for number in range(int(first), int(last) + 1):
        yield from _ranges(
            f"{pattern[: found.start()]}{number:0{width}}{pattern[found.end() :]}", key
        )


def _split(
    files: Mapping[str, Sequence[Path]], shards: Mapping[Path, Shard]
) -> dict[str, list[Picked]]:
    """Return the clips of each split."""
    if files["validation"] or files["test"]:
        return {
            split: [
                Picked(shards[file], np.arange(len(shards[file]), dtype=np.int32))
                for file in files[split]
            ]
            for split in SPLITS
        }
    has_splits = any(shards[file].splits.any() for file in files["train"])
    if not has_splits:
        log.info("shards name no splits; the hash of the names of clips decides")
    picked: dict[str, list[Picked]] = {split: [] for split in SPLITS}
    for file in files["train"]:
        shard = shards[file]
        codes = np.maximum(shard.splits, 1) if has_splits else _hashed(shard)
        for number, split in enumerate(SPLITS, start=1):
            picked[split].append(Picked(shard, np.flatnonzero(codes == number).astype(np.int32)))
    return picked


def _hashed(shard: Shard) -> NDArray[np.uint8]:
    """Return the split of each clip by the hash of its name and its archive's."""
    archive = Path(shard.path).name
    names = (f"{archive}/{bytes(name).decode(errors='replace')}" for name in shard.names)
    return np.array([SPLITS.index(split_by_hash(name)) + 1 for name in names], np.uint8)


def _check_rates(shards: Sequence[Shard]) -> None:
    rates = {shard.sample_rate: shard.path for shard in shards}
    if len(rates) > 1:
        (one, first), (other, second), *_ = rates.items()
        raise DataError(
            f"shards mix sample rates: {first} has {one} Hz and {second} has {other} Hz; use "
            "shards of one rate"
        )
