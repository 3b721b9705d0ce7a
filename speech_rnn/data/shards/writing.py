"""Write a corpus as shards with an index."""

from __future__ import annotations

import io
import json
import logging
import os
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import encode_flac, load_audio, write_audio
from speech_rnn.data.cache import read_each
from speech_rnn.data.corpus import SPLITS, Corpus, Utterance
from speech_rnn.data.shards.index import INDEX, NOISE, Index, ShardEntry, SplitEntry
from speech_rnn.errors import ConfigurationError, DataError, SpeechRnnError
from speech_rnn.samples.integers import FULL_SCALE
from speech_rnn.storage import atomic
from speech_rnn.storage.folders import shown
from speech_rnn.storage.hashing import file_sha256

log = logging.getLogger(__name__)

ENCODED_AT_ONCE = 256
"""Number of clips that threads encode before the first of them is written."""
MOST_CLASSES = 1000
"""Number of different texts beyond which the index does not count each."""
LEAST_DIGITS = 3
"""Smallest number of digits in the name of a shard."""


def write_shards(
    corpus: Corpus, folder: Path, *, sample_rate: int = 16_000, shard_mb: float = 500, seed: int = 0
) -> Index:
    """Write the clips of a corpus into shards ``train-000.tar``, … and return their index.

    Each clip is ``KEY.flac``, 16 bits at `sample_rate`, and ``KEY.json`` with ``text``,
    ``speaker``, ``split``, ``duration`` in seconds, and ``source``, the name of its file. The clips
    of a split are shuffled, so that each shard holds a part of all of them. Recordings of noise go
    into the folder ``noise``. The index is written last: where it is, the shards are whole.

    Parameters
    ----------
    folder : an existing folder.
    shard_mb : size in MB from which a shard is full.
    seed : seed of the order.

    Raises
    ------
    ConfigurationError
        if `shard_mb` is not above 0, or the folder holds shards.
    DataError
        if the corpus has no clips, or none of a split can be read.
    """
    if not shard_mb > 0:
        raise ConfigurationError(f"shard_mb={shard_mb} must be above 0")
    if (folder / INDEX).exists():
        raise ConfigurationError(
            f"output={shown(folder)!r} holds shards already; choose another folder"
        )
    if not len(corpus.utterances):
        raise DataError("the corpus has no clips; choose another source")
    atomic.remove_partial(folder)
    splits = {}
    for number, split in enumerate(SPLITS):
        rows = corpus.split(split)
        if len(rows):
            order = np.random.default_rng([seed, number]).permutation(len(rows))
            splits[split] = _written(
                [rows[place] for place in order], folder, split, sample_rate, shard_mb * 1e6
            )
    _write_noise(corpus.noise, folder / NOISE, sample_rate)
    index = Index(
        sample_rate,
        list(corpus.words),
        corpus.sentences,
        list(corpus.synthetic),
        corpus.fingerprint(),
        splits,
    )
    atomic.write_json(folder / INDEX, index.to_dict())
    return index


def _written(
    rows: Sequence[Utterance], folder: Path, split: str, sample_rate: int, most_bytes: float
) -> SplitEntry:
    """Write the shards of a split."""
    clips = _encoded(rows, sample_rate)
    shards: list[tuple[Path, _Contents]] = []
    classes: Counter[str] = Counter()
    following = next(clips, None)
    while following is not None:
        path = folder / f".{split}-{len(shards)}.{os.getpid()}.0.part.tar"
        with (
            path.open("wb") as file,
            tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive,
        ):
            contents = _Contents()
            while following is not None and (not contents.clips or file.tell() < most_bytes):
                row, flac, n_samples = following
                contents.add(archive, row, flac, n_samples / sample_rate)
                classes[row.text] += 1
                following = next(clips, None)
        shards.append((path, contents))
    if not shards:
        raise DataError(f"no clip of the {split} split can be read")
    digits = max(LEAST_DIGITS, len(str(len(shards) - 1)))
    entries = [
        _entry(path, folder / f"{split}-{number:0{digits}}.tar", contents)
        for number, (path, contents) in enumerate(shards)
    ]
    seconds = sum(one.seconds for one in entries)
    n_clips = sum(one.clips for one in entries)
    if len(classes) > MOST_CLASSES:
        classes.clear()
    return SplitEntry(n_clips, round(seconds, 3), dict(sorted(classes.items())), entries)


def _entry(partial: Path, path: Path, contents: _Contents) -> ShardEntry:
    size, sha256 = partial.stat().st_size, file_sha256(partial)
    partial.replace(path)
    return ShardEntry(path.name, size, sha256, contents.clips, round(contents.seconds, 3))


@dataclass
class _Contents:
    """Counts the clips of a shard."""

    clips: int = 0
    seconds: float = 0.0

    def add(self, archive: tarfile.TarFile, row: Utterance, flac: bytes, seconds: float) -> None:
        """Add a clip to the archive."""
        key = f"{self.clips:08d}"
        about = {
            "text": row.text,
            "speaker": row.speaker,
            "split": row.split,
            "duration": round(seconds, 6),
            "source": "/".join(Path(row.audio).parts[-2:]),
        }
        text = json.dumps(about, ensure_ascii=False).encode(errors="backslashreplace")
        for end, content in (("flac", flac), ("json", text)):
            info = tarfile.TarInfo(f"{key}.{end}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        self.clips += 1
        self.seconds += seconds


def _encoded(rows: Sequence[Utterance], sample_rate: int) -> Iterator[tuple[Utterance, bytes, int]]:
    """Yield rows that can be read, each with its FLAC file and its number of samples."""

    def encode(samples: NDArray[np.int16]) -> bytes:
        return encode_flac(samples / np.float32(FULL_SCALE), sample_rate)

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        waiting: list[tuple[Utterance, NDArray[np.int16]]] = []

        def encoded() -> Iterator[tuple[Utterance, bytes, int]]:
            contents = threads.map(encode, [samples for _, samples in waiting])
            for (row, samples), content in zip(waiting, contents, strict=True):
                yield row, content, len(samples)

        for place, clip in enumerate(read_each(rows, sample_rate)):
            if isinstance(clip, SpeechRnnError):
                log.warning("left out of %s: %s", rows[place].split, clip)
                continue
            waiting.append((rows[place], clip[0]))
            if len(waiting) == ENCODED_AT_ONCE:
                yield from encoded()
                waiting.clear()
        yield from encoded()


def _write_noise(files: Sequence[Path], folder: Path, sample_rate: int) -> None:
    """Write recordings of noise as FLAC, each under its name and that of its folder."""
    for file in files:
        folder.mkdir(exist_ok=True)
        name = f"{file.parent.name}-{file.stem}.flac"
        write_audio(folder / name, load_audio(file, sample_rate, check=False), sample_rate)
