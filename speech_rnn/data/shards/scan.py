"""Read a shard once: check it, and remember where each clip lies and which words it has."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import AUDIO_SUFFIXES, open_audio
from speech_rnn.audio.flac import HEADER_BYTES, flac_header
from speech_rnn.data.corpus import SPLITS
from speech_rnn.data.shards.labels import JSON, TEXTS, Labels
from speech_rnn.errors import AudioError, DataError
from speech_rnn.storage.hashing import file_sha256
from speech_rnn.storage.packed import read_packed, write_packed
from speech_rnn.storage.tar import Member, walk

FORMAT = 2
"""Version of the files of scans; those of another version are made again."""
NO_DIGEST = bytes(16)
"""Digest of a clip whose file does not hold one."""


@dataclass(frozen=True)
class Shard:
    """Labels, lengths and places of the N clips of a shard.

    Parameters
    ----------
    path : the archive.
    sha256 : SHA-256 of the archive.
    sample_rate : sample rate of all clips in Hz.
    names : (N,) names of the audio members, as UTF-8.
    offsets, sizes : (N,) where their content starts, and how long it is, in bytes.
    n_samples : (N,) number of samples of each clip.
    texts : distinct texts.
    speakers : distinct speakers, as UTF-8; Python strings would take most of the memory.
    text_ids, speaker_ids : (N,) indices in these.
    splits : (N,) 1 + index of the split in `SPLITS`; 0 where none is given.
    digests : (N, 16) the `sound_digest` of each clip; zero if the file does not hold it.
    """

    path: str
    sha256: str
    sample_rate: int
    names: NDArray[np.bytes_]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int32]
    n_samples: NDArray[np.int32]
    texts: list[str]
    text_ids: NDArray[np.int32]
    speakers: NDArray[np.bytes_]
    speaker_ids: NDArray[np.int32]
    splits: NDArray[np.uint8]
    digests: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.offsets)

    def write(self, path: Path) -> None:
        """Write the scan atomically."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        plain = {name: value for name, value in values.items() if name not in arrays}
        write_packed(path, arrays, plain, FORMAT)

    @classmethod
    def read(cls, path: Path) -> Shard | None:
        """Read a scan; None if it is missing, damaged or of another version."""
        if (found := read_packed(path, FORMAT)) is None:
            return None
        arrays, plain = found
        return cls(**plain, **arrays)


def scanned(path: Path, labels: Callable[[], Labels], folder: Path, sources: str) -> Shard:
    """Return the scan of a shard, from a file in `folder` if the shard was scanned before.

    Parameters
    ----------
    labels : returns the labels of the shard, if they are needed.
    sources : names the tables from which labels come, which may change.

    Raises
    ------
    DataError
        if the shard is missing, empty, torn or unsorted, if its clips differ in their sample rate,
        or if one has no text.
    """
    origin = f"{stamp(path)} {sources} {FORMAT}"
    kept = folder / f"shard-{hashlib.sha256(origin.encode()).hexdigest()[:20]}.npz"
    shard = Shard.read(kept)
    if shard is None:
        shard = scan(path, labels())
        shard.write(kept)
    return shard


def stamp(path: Path) -> str:
    """Return the path, size and time of change of a file.

    Raises
    ------
    DataError
        if it cannot be read.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return f"{path.absolute()} {found.st_size} {found.st_mtime_ns}"


def scan(path: Path, labels: Labels) -> Shard:
    """Read a shard and return what is known of its clips; see `scanned`."""
    rows = _Rows(path)
    with path.open("rb") as file:
        for key, members in _grouped(path):
            audio = [one for end, one in members.items() if f".{end}" in AUDIO_SUFFIXES]
            if audio:
                rows.add(key, audio[0], members, labels, file)
    return rows.shard(file_sha256(path))


def _grouped(path: Path) -> Iterator[tuple[str, dict[str, Member]]]:
    """Yield the members of each clip by ending: those of one name up to its first dot."""
    seen: set[str] = set()
    key, members = "", dict[str, Member]()
    for member in walk(path):
        folder, slash, name = member.name.rpartition("/")
        stem, _, end = name.partition(".")
        if members and folder + slash + stem != key:
            yield key, members
            members = {}
        if not members:
            key = folder + slash + stem
            if key in seen:
                raise DataError(
                    f"{path}: is unsorted: the members of {key!r} are apart; write those of a "
                    "clip one after the other, such as tar --sort=name"
                )
            seen.add(key)
        members[end.lower() if f".{end.lower()}" in AUDIO_SUFFIXES else _last(end)] = member
    if members:
        yield key, members


def _last(end: str) -> str:
    return end.rpartition(".")[2].lower()


class _Rows:
    """Collects the clips of a shard."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rates: dict[int, str] = {}
        self.names: list[bytes] = []
        self.places: list[tuple[int, int, int]] = []
        self.texts: dict[str, int] = {}
        self.speakers: dict[str, int] = {}
        self.ids: list[tuple[int, int, int]] = []
        self.digests = bytearray()

    def add(
        self,
        key: str,
        audio: Member,
        members: dict[str, Member],
        labels: Labels,
        file: BinaryIO,
    ) -> None:
        """Add a clip, unless a table of labels leaves it out."""
        contents = {end: _read(file, members[end]) for end in (JSON, *TEXTS) if end in members}
        try:
            label = labels.of(key, audio.name, contents)
            if label is None:
                return
            if label.split and label.split not in SPLITS:
                raise ValueError(f"split={label.split!r} must be one of {', '.join(SPLITS)}")
        except ValueError as error:
            raise DataError(f"{self.path}/{audio.name}: {error}") from error
        rate, n_samples, digest = self._measured(audio, file)
        self.rates.setdefault(rate, audio.name)
        self.names.append(audio.name.encode(errors="surrogateescape"))
        self.places.append((audio.offset, audio.size, n_samples))
        text = self.texts.setdefault(label.text, len(self.texts))
        speaker = self.speakers.setdefault(label.speaker, len(self.speakers))
        split = SPLITS.index(label.split) + 1 if label.split else 0
        self.ids.append((text, speaker, split))
        self.digests += digest

    def _measured(self, audio: Member, file: BinaryIO) -> tuple[int, int, bytes]:
        """Return the sample rate, the number of samples and the digest of a clip."""
        file.seek(audio.offset)
        if found := flac_header(file.read(min(audio.size, HEADER_BYTES))):
            is_ours = found.channels == 1 and found.bits == 16
            return found.sample_rate, found.n_samples, found.md5 if is_ours else NO_DIGEST
        name = f"{self.path}/{audio.name}"
        try:
            with open_audio(_read(file, audio), name=name) as sound:
                n_samples = (
                    sum(map(len, sound.blocks))
                    if sound.duration is None
                    else round(sound.duration * sound.sample_rate)
                )
                return sound.sample_rate, n_samples, NO_DIGEST
        except AudioError as error:
            raise DataError(str(error)) from error

    def shard(self, sha256: str) -> Shard:
        """Return all that was collected."""
        if not self.names:
            raise DataError(
                f"{self.path}: holds no clip with a text; leave it out, or write it again"
            )
        if len(self.rates) > 1:
            (one, first), (other, second), *_ = self.rates.items()
            raise DataError(
                f"{self.path}: mixes sample rates: {first} has {one} Hz and {second} has {other} "
                "Hz; write shards of one rate"
            )
        offsets, sizes, n_samples = zip(*self.places, strict=True)
        text_ids, speaker_ids, splits = zip(*self.ids, strict=True)
        return Shard(
            str(self.path),
            sha256,
            next(iter(self.rates)),
            np.array(self.names, np.bytes_),
            np.array(offsets, np.int64),
            np.array(sizes, np.int32),
            np.array(n_samples, np.int32),
            [*self.texts],
            np.array(text_ids, np.int32),
            np.array([one.encode(errors="surrogateescape") for one in self.speakers], np.bytes_),
            np.array(speaker_ids, np.int32),
            np.array(splits, np.uint8),
            np.frombuffer(bytes(self.digests), np.uint8).reshape(-1, 16),
        )


def _read(file: BinaryIO, member: Member) -> bytes:
    file.seek(member.offset)
    return file.read(member.size)
