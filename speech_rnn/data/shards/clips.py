"""Clips of shards, decoded when they are needed and read in sequence."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import load_audio
from speech_rnn.data.corpus import Utterance
from speech_rnn.data.shards.rows import Place, ShardRows
from speech_rnn.errors import DataError
from speech_rnn.samples.integers import quantize

OPEN_FILES = 32
"""Number of shards that a process keeps open."""
PASSED = 4
"""Number of stretches that a buffer may still take clips from."""
AHEAD_BYTES = 8 << 20
"""Number of bytes that the system is asked to read ahead in a shard."""


class ShardClips:
    """Clips of shards; see `KnownClips`.

    Parameters
    ----------
    rows : rows of shards.
    sample_rate : sample rate in Hz to which every clip is resampled.
    """

    def __init__(self, rows: ShardRows, sample_rate: int) -> None:
        self.utterances, self.sample_rate = rows, sample_rate
        self.failures: dict[int, str] = {}
        self.oddities: Sequence[tuple[Utterance, str]] = ()
        self.n_samples = rows.n_samples(sample_rate)
        self._files = _Files()

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: int) -> NDArray[np.int16]:
        place = self.utterances.place(index)
        content = self._files.read(place)
        name = self.utterances[index].audio
        return quantize(load_audio(content, self.sample_rate, name=name, check=False))

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: the clips are the same in every epoch."""

    def is_silent(self, index: int) -> bool:
        """Return False: only decoding would tell."""
        return False

    def digest(self, index: int) -> bytes:
        """Return the `sound_digest` of a clip, 16 zeros if its file does not hold it."""
        place = self.utterances.place(index)
        return place.shard.digests[place.number].tobytes()

    def sha256(self) -> str:
        """Return a hash of the archives and of the clips that are taken of them."""
        return sha256_of(self.utterances)


def sha256_of(rows: ShardRows) -> str:
    """Return a hash of the archives of rows, and of the clips that are taken of them."""
    digest = hashlib.sha256()
    for shard, clips in rows.picked:
        digest.update(f"{shard.sha256} {rows.split}\n".encode())
        digest.update(clips.astype("<i4").tobytes())
    return digest.hexdigest()


class _Files:
    """Open archives of this process, which the system reads ahead."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._ahead: dict[str, int] = {}

    def __getstate__(self) -> dict[str, object]:
        """Let another process open its own files."""
        return {"_open": OrderedDict(), "_ahead": {}}

    def read(self, place: Place) -> bytes:
        """Return the content of a clip."""
        path = place.shard.path
        try:
            file, process = self._open.get(path, (-1, -1))
            if process != os.getpid():  # a forked worker has a file position and limits of its own
                file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
                self._open[path] = file, os.getpid()
                self._close_oldest()
            self._open.move_to_end(path)
            self._read_ahead(path, file, place.offset)
            content = _read_at(file, place.size, place.offset)
        except OSError as error:
            raise DataError(f"{path}: cannot be read any more ({error.strerror})") from error
        if len(content) < place.size:
            raise DataError(f"{path}: is cut short since the training began; fetch it again")
        return content

    def _close_oldest(self) -> None:
        while len(self._open) > OPEN_FILES:
            _, (file, process) = self._open.popitem(last=False)
            if process == os.getpid():
                os.close(file)

    def _read_ahead(self, path: str, file: int, offset: int) -> None:
        """Ask the system for the next stretch, which makes the reading of a shard sequential."""
        window, last = offset // AHEAD_BYTES, self._ahead.get(path, -1)
        if hasattr(os, "posix_fadvise") and not 0 <= last - window <= PASSED:
            self._ahead[path] = window
            os.posix_fadvise(file, window * AHEAD_BYTES, 2 * AHEAD_BYTES, os.POSIX_FADV_WILLNEED)


def _read_at(file: int, size: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(file, size, offset)
    os.lseek(file, offset, os.SEEK_SET)  # Windows; a process reads one clip at a time
    return os.read(file, size)
