"""The order in which clips of shards are read: in sequence, shuffled in a buffer, in buckets."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from speech_rnn.data.shards.clips import ShardClips
from speech_rnn.errors import ConfigurationError
from speech_rnn.tensors.processes import process_of

CHUNK = 256
"""Number of clips that are read from a shard before the next shard's turn."""
OPEN_SHARDS = 8
"""Number of shards that are read in turns."""


class Pool(NamedTuple):
    """Clips that are shuffled together: their places in the order of reading, and their batches."""

    number: int
    start: int
    stop: int
    n_batches: int


class ShardOrder(Sampler[list[int]]):
    """Batches of clips of similar length, in a seeded order that reads each shard in sequence.

    The order of the shards is shuffled, and `OPEN_SHARDS` of them are read at a time, `CHUNK` clips
    of each in turn. Clips are taken from this sequence in pools of the buffer's size; a pool is
    shuffled, sorted by length and cut into batches, and these are shuffled. Everything depends on
    the seed and the epoch only: processes and workers change nothing, and an epoch can begin with
    any of its batches. Without a seed, shards are read in their order, and only lengths sort the
    pools.

    Parameters
    ----------
    clips : clips of shards.
    batch_size : clips per batch; the last batches may have fewer.
    seed : seed of the order; None for evaluation.

    Raises
    ------
    ConfigurationError
        if there are more processes than shards.
    """

    def __init__(self, clips: ShardClips, batch_size: int, *, seed: int | None = None) -> None:
        n_shards, processes = len(clips.utterances.bounds) - 1, process_of()[1]
        if processes > n_shards:
            raise ConfigurationError(
                f"{processes} processes cannot share {n_shards} shards, since each reads its own "
                "stretches of them; start fewer, or write smaller shards: shard_mb"
            )
        self.clips, self.batch_size, self.seed = clips, batch_size, seed
        self.epoch = self.start = 0

    def begin(self, epoch: int, start: int = 0) -> None:
        """Select the epoch, and its first batch. Later iterations begin with the first again."""
        self.epoch, self.start = epoch, start

    def __len__(self) -> int:
        return sum(pool.n_batches for pool in self._pools())

    def __iter__(self) -> Iterator[list[int]]:
        start, self.start = self.start, 0
        sequence = self._sequence()
        for pool in self._pools():
            if start >= pool.n_batches:
                start -= pool.n_batches
                continue
            yield from islice(self._batches(sequence, pool), start, None)
            start = 0

    def split(self, batch: list[int], n_parts: int) -> list[list[int]]:
        """Cut a batch into parts of neighbours, so that each process reads few of the shards."""
        return [part.tolist() for part in np.array_split(np.sort(batch), n_parts)]

    def _pools(self) -> Iterator[Pool]:
        n_clips, size = len(self.clips), self._pool_size
        for number, start in enumerate(range(0, n_clips, size), start=1):
            stop = min(start + size, n_clips)
            yield Pool(number, start, stop, math.ceil((stop - start) / self.batch_size))

    @property
    def _pool_size(self) -> int:
        """Size of the buffer, as a multiple of a batch."""
        return -(-self.clips.utterances.buffer // self.batch_size) * self.batch_size

    def _sequence(self) -> _Sequence:
        """Return the order in which the clips of an epoch are read."""
        bounds = self.clips.utterances.bounds
        n_shards = len(bounds) - 1
        shards = np.arange(n_shards)
        if self.seed is not None:
            shards = np.random.default_rng([self.seed, self.epoch]).permutation(n_shards)
        step = 1 if self.seed is None else OPEN_SHARDS
        groups = [shards[first : first + step] for first in range(0, n_shards, step)]
        parts = [_in_turns(bounds[group], bounds[group + 1]) for group in groups]
        starts, stops = (np.concatenate(each) for each in zip(*parts, strict=True))
        return _Sequence(starts, stops, np.cumsum(stops - starts))

    def _batches(self, sequence: _Sequence, pool: Pool) -> Iterator[list[int]]:
        indices = sequence.clips(pool.start, pool.stop)
        random = None
        if self.seed is not None:
            random = np.random.default_rng([self.seed, self.epoch, pool.number])
            indices = random.permutation(indices)
        indices = indices[np.argsort(self.clips.n_samples[indices], kind="stable")]
        batches = np.split(indices, range(self.batch_size, len(indices), self.batch_size))
        for place in range(len(batches)) if random is None else random.permutation(len(batches)):
            yield batches[place].tolist()


class _Sequence(NamedTuple):
    """Stretches of clips in the order in which they are read.

    They are given by their first index, the one after the last, and their end in the order.
    """

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    ends: NDArray[np.int64]

    def clips(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the indices of the clips from one place of the sequence to another."""
        first, last = np.searchsorted(self.ends, [start, stop - 1], side="right")
        parts = [
            np.arange(self.starts[n], self.stops[n], dtype=np.int64) for n in range(first, last + 1)
        ]
        before = int(self.ends[first] - (self.stops[first] - self.starts[first]))
        return np.concatenate(parts)[start - before : stop - before]


def _in_turns(
    firsts: NDArray[np.int64], lasts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the chunks of some shards: the first of each, then the second of each, and so on."""
    starts = [np.arange(first, last, CHUNK) for first, last in zip(firsts, lasts, strict=True)]
    stops = [np.minimum(each + CHUNK, last) for each, last in zip(starts, lasts, strict=True)]
    order = np.argsort(np.concatenate([np.arange(len(each)) for each in starts]), kind="stable")
    return np.concatenate(starts)[order], np.concatenate(stops)[order]
