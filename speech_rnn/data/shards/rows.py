"""Rows of shards: a million take tens of megabytes, and each is made when it is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech_rnn.data.corpus import CompactRows, Utterance
from speech_rnn.data.shards.scan import Shard


class Picked(NamedTuple):
    """A shard and the indices of the clips in it that belong to a split, ascending."""

    shard: Shard
    clips: NDArray[np.int32]


class Place(NamedTuple):
    """The place of a clip: its archive, its bytes, and its number among the archive's clips."""

    shard: Shard
    offset: int
    size: int
    number: int


class ShardRows(CompactRows):
    """The rows of one split of shards.

    Parameters
    ----------
    picked : the clips of each shard.
    split : the split.
    buffer : number of clips that training shuffles together.
    """

    def __init__(self, picked: Sequence[Picked], split: str, buffer: int) -> None:
        self.picked = [one for one in picked if len(one.clips)]
        self.split, self.buffer = split, buffer
        self.bounds = np.concatenate([[0], np.cumsum([len(one.clips) for one in self.picked])])
        self.bounds = self.bounds.astype(np.int64)

    def __len__(self) -> int:
        return int(self.bounds[-1])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        shard, *_, number = self.place(index)
        return Utterance(
            f"{shard.path}/{_text(shard.names[number])}",
            shard.texts[shard.text_ids[number]],
            _text(shard.speakers[shard.speaker_ids[number]]),
            self.split,
        )

    def place(self, index: int) -> Place:
        """Return where a clip lies."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        number = int(np.searchsorted(self.bounds, index, side="right")) - 1
        shard, clips = self.picked[number]
        clip = int(clips[index - self.bounds[number]])
        return Place(shard, int(shard.offsets[clip]), int(shard.sizes[clip]), clip)

    def texts(self) -> Counter[str]:
        """Return how often each text occurs."""
        found: Counter[str] = Counter()
        for shard, clips in self.picked:
            counts = np.bincount(shard.text_ids[clips], minlength=len(shard.texts))
            found.update({text: int(n) for text, n in zip(shard.texts, counts, strict=True) if n})
        return found

    def n_samples(self, sample_rate: int) -> NDArray[np.int64]:
        """Return the number of samples of each clip at a sample rate; resampled, to within one."""
        parts = [
            shard.n_samples[clips]
            if shard.sample_rate == sample_rate
            else np.ceil(shard.n_samples[clips] * (sample_rate / shard.sample_rate))
            for shard, clips in self.picked
        ]
        return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64, copy=False)


def _text(content: bytes) -> str:
    return bytes(content).decode(errors="surrogateescape")
