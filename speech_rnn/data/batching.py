"""Batches of clips in seeded order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset, Sampler

from speech_rnn.data.babble import talker_of
from speech_rnn.data.cache import Clips, Lengths
from speech_rnn.data.corpus import Utterance, texts_of_rows
from speech_rnn.data.parts import Order, Part, Parts
from speech_rnn.data.shards.clips import ShardClips
from speech_rnn.data.shards.order import ShardOrder
from speech_rnn.errors import ConfigurationError, SpeechRnnError
from speech_rnn.samples.integers import FULL_SCALE
from speech_rnn.vocabulary import Vocabulary


@dataclass
class Batch:
    """Clips of one batch, padded with zeros at the end to a common length.

    Parameters
    ----------
    samples : (B, N) int16.
    lengths : (B,) int64, number of samples of each clip.
    targets : (B, L) int64, token ids, padded with 0.
    target_lengths : (B,) int64, number of tokens of each clip.
    indices : indices of the clips in their cache.
    spans : (B, L, 2) float32, the samples at which each target starts and ends, padded with -inf;
        None unless known for every target.
    talkers : speaker of each clip, see `babble.talker_of`; empty if not needed.
    part : the part of a batch that these clips are; None for clips of no order.
    word_weight : factor on a mean over their words, see `Part.weight`.
    """

    samples: Tensor
    lengths: Tensor
    targets: Tensor
    target_lengths: Tensor
    indices: list[int]
    spans: Tensor | None = None
    talkers: Sequence[str] = ()
    part: Part | None = None
    word_weight: float = 1.0

    @property
    def weight(self) -> float:
        """Factor on a mean over the clips, see `Part.weight`."""
        return 1.0 if self.part is None else self.part.weight(len(self.part.indices), self.n_clips)

    @property
    def n_clips(self) -> int:
        """Number of clips of the whole batch."""
        return len(self.indices if self.part is None else self.part.batch)

    @property
    def waveform(self) -> Tensor:
        """The clips as float32 in [-1, 1], (B, N)."""
        return self.samples.float() / FULL_SCALE

    def repeated(self, times: int) -> Batch:
        """Return the batch repeated this many times."""
        repeated = self._changed(lambda rows: torch.cat([rows] * times))
        return replace(repeated, indices=self.indices * times, talkers=[*self.talkers] * times)

    def to(self, device: torch.device) -> Batch:
        """Return the batch with its tensors on `device`."""
        return self._changed(lambda rows: rows.to(device))

    def _changed(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return replace(
            self,
            samples=change(self.samples),
            lengths=change(self.lengths),
            targets=change(self.targets),
            target_lengths=change(self.target_lengths),
            spans=None if self.spans is None else change(self.spans),
        )


def pad(clips: Sequence[NDArray[np.int16]]) -> tuple[Tensor, Tensor]:
    """Pad clips to a common length; return samples (B, N) int16 and lengths (B,)."""
    lengths = [len(clip) for clip in clips]
    samples = np.zeros((len(clips), max(lengths)), np.int16)  # (B, N)
    for row, clip in zip(samples, clips, strict=True):
        row[: len(clip)] = clip
    return torch.from_numpy(samples), torch.tensor(lengths)


class BucketSampler(Sampler[list[int]]):
    """Batches of clips of similar length, in an order that depends on the seed and the epoch.

    Clips are shuffled and cut into pools of `pool_batches` batches; each pool is sorted by length,
    and finally the batches are shuffled. This needs little padding, and every epoch is different.
    Without a seed, batches are sorted by length and the same each time.

    With a balance b above 0, an epoch has the same number of clips, but a class of n clips gets a
    share proportional to n^(1 - b), to within one clip; b = 1 makes all classes equally frequent,
    and above 1 the rarest classes are the most frequent.
    Clips of rare classes are then repeated, and clips of frequent classes appear in some epochs
    only. This is systematic sampling: a clip is drawn its expected number of times, rounded up or
    down.

    Parameters
    ----------
    clips : the clips to put into batches.
    batch_size : clips per batch; the last batch may have fewer.
    seed : seed of the order; None for evaluation.
    classes : the class of each clip, (N,) integers; required if `balance` is above 0.
    balance : exponent b in [0, 2]; 0 draws each clip once.
    passes : number of times that an epoch goes through the clips, each time in another order.
    """

    def __init__(
        self,
        clips: Lengths,
        batch_size: int,
        *,
        seed: int | None = None,
        classes: NDArray[np.int64] | None = None,
        balance: float = 0.0,
        passes: int = 1,
        pool_batches: int = 20,
    ) -> None:
        self.clips = clips
        self.batch_size = batch_size
        self.seed = seed
        self.classes, self.balance, self.passes = classes, balance, passes
        self.pool_size = pool_batches * batch_size
        self.epoch = self.start = 0

    def begin(self, epoch: int, start: int = 0) -> None:
        """Select the epoch for which clips are drawn and ordered, and its first batch.

        Later iterations begin with the first batch again.
        """
        self.epoch, self.start = epoch, start
        self.clips.set_epoch(epoch)

    def __len__(self) -> int:
        return self.passes * -(-len(self.clips) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        start, self.start = self.start, 0
        yield from islice(self._batches(), start, None)

    def _batches(self) -> Iterator[list[int]]:
        n_samples = self.clips.n_samples
        if self.seed is None:
            yield from self._cut(np.argsort(n_samples, kind="stable"))
            return
        random = np.random.default_rng([self.seed, self.epoch])
        for _ in range(self.passes):
            yield from self._pass(n_samples, random)

    def _pass(
        self, n_samples: NDArray[np.int64], random: np.random.Generator
    ) -> Iterator[list[int]]:
        order = random.permutation(len(n_samples))
        if self.balance and self.classes is not None:
            order = random.permutation(_balanced(order, self.classes, self.balance, random))
        pools = [
            pool[np.argsort(n_samples[pool], kind="stable")]
            for pool in np.split(order, range(self.pool_size, len(order), self.pool_size))
        ]
        cut = [batch for pool in pools for batch in self._cut(pool)]
        for place in random.permutation(len(cut)):
            yield cut[place]

    def split(self, batch: list[int], n_parts: int) -> list[list[int]]:
        """Cut a batch into parts with clips of all its lengths."""
        return [batch[number::n_parts] for number in range(n_parts)]

    def _cut(self, order: NDArray[np.int64]) -> list[list[int]]:
        starts = range(0, len(order), self.batch_size)
        return [order[start : start + self.batch_size].tolist() for start in starts]


def _balanced(
    order: NDArray[np.int64],
    classes: NDArray[np.int64],
    balance: float,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw as many clips as `order` has, with weights that fall with the size of their class."""
    order = order[np.argsort(classes[order], kind="stable")]  # group by class, still shuffled
    _, members, sizes = np.unique(classes[order], return_inverse=True, return_counts=True)
    weights = (1 / sizes[members]) ** balance
    until = np.cumsum(weights) / weights.sum() * len(order)
    until[-1] = len(order)
    times = np.diff(np.floor(until + random.random()).astype(np.int64), prepend=0)
    return np.repeat(order, times)


class Collate:
    """Makes a `Batch` from a part of a batch.

    Raises
    ------
    DataError
        if a text does not fit the vocabulary.
    """

    def __init__(self, clips: Clips, vocabulary: Vocabulary) -> None:
        self.clips, self.vocabulary = clips, vocabulary
        for text in texts_of_rows(clips.utterances):
            vocabulary.encode(text)  # raise for a missing token before training starts

    def __call__(self, part: Part) -> Batch:
        """Return the batch of these clips."""
        samples, lengths = pad([self.clips[index] for index in part.indices])
        return replace(self.silent(part), samples=samples, lengths=lengths)

    def silent(self, part: Part) -> Batch:
        """Return the batch without its samples, which are then not read."""
        rows = [self.clips.utterances[index] for index in part.indices]
        targets = [torch.tensor(self._encoded(index), dtype=torch.int64) for index in part.indices]
        spans = [self._spans(row) for row in rows]
        return Batch(
            torch.zeros((len(rows), 0), dtype=torch.int16),
            torch.zeros(len(rows), dtype=torch.int64),
            pad_sequence(targets, batch_first=True),  # (B, L)
            torch.tensor([len(target) for target in targets]),
            part.indices,
            pad_sequence(spans, batch_first=True, padding_value=-torch.inf)  # (B, L, 2)
            if list(map(len, spans)) == list(map(len, targets))
            else None,
            talkers=[talker_of(row) for row in rows],
            part=part,
            word_weight=part.weight(self._n_words(part.indices), self._n_words(part.batch)),
        )

    def _encoded(self, index: int) -> list[int]:
        return self.vocabulary.encode(self.clips.utterances[index].text)

    def _n_words(self, indices: list[int]) -> int:
        """Return the number of tokens of clips, and 1 for none, as a mean over them has it."""
        return max(1, sum(len(self._encoded(index)) for index in indices))

    def _spans(self, row: Utterance) -> Tensor:
        parts = row.composition.words if row.composition else ()
        times = [(part.at_seconds, part.at_seconds + part.duration_seconds) for part in parts]
        return torch.tensor(times).reshape(-1, 2) * self.clips.sample_rate  # (L, 2)


def batches(
    clips: Clips,
    vocabulary: Vocabulary,
    batch_size: int,
    *,
    seed: int | None = None,
    balance: float = 0.0,
    passes: int = 1,
    workers: int = 0,
    turns: int = 1,
) -> Loader:
    """Return an iterable of `Batch`es over all clips, optionally balanced by their first token.

    With `workers`, so many processes read clips ahead; the batches are the same. Processes that
    train together get parts of each batch, and so does one process with several `turns`.

    Raises
    ------
    DataError
        if a text does not fit the vocabulary.
    ConfigurationError
        if clips of shards are to be balanced.
    """
    collate = Collate(clips, vocabulary)
    if isinstance(clips, ShardClips):
        if balance:
            raise ConfigurationError(
                f"trainer.balance={balance} draws clips in any order, and shards are read in "
                "sequence; set it to 0, or keep the clips: cache=disk"
            )
        return Loader(ShardOrder(clips, batch_size, seed=seed), collate, workers, turns)
    classes = None
    if balance:
        classes = np.array([vocabulary.encode(row.text)[0] for row in clips.utterances])
    sampler = BucketSampler(
        clips, batch_size, seed=seed, classes=classes, balance=balance, passes=passes
    )
    return Loader(sampler, collate, workers, turns)


def bucketed(
    items: Lengths, collate: Callable[[list[int]], Any], batch_size: int, *, seed: int | None = None
) -> Loader:
    """Return batches of items of similar length; `collate` makes a batch from their indices."""
    return Loader(BucketSampler(items, batch_size, seed=seed), lambda part: collate(part.indices))


class Loader(DataLoader[Any]):
    """Batches in a seeded order, made by `collate` from parts of them.

    Parameters
    ----------
    order : order of the batches.
    collate : function that makes a batch from a `Part`.
    workers : number of processes that make batches ahead; with 0, each is made when it is needed.
    turns : number of parts of a batch that a process gets one after the other.
    """

    def __init__(
        self,
        order: Order,
        collate: Callable[[Part], Any],
        workers: int = 0,
        turns: int = 1,
    ) -> None:
        super().__init__(
            _Parts(),
            batch_size=None,
            sampler=Parts(order, turns),
            collate_fn=_Reported(collate),
            num_workers=workers,
        )
        self.order, self.collate, self.turns = order, collate, turns

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        for batch in super().__iter__():
            if isinstance(batch, SpeechRnnError):
                raise batch
            yield batch


class _Parts(Dataset[Part]):
    """The items of a `Loader`, which are the parts that its sampler yields."""

    def __getitem__(self, part: Part) -> Part:
        return part


@dataclass(frozen=True)
class _Reported:
    """Returns an error of the project in place of a batch.

    One that is raised in a worker would reach the user with the worker's traceback.
    """

    collate: Callable[[Part], Any]

    def __call__(self, part: Any) -> Any:
        try:
            return self.collate(part)
        except SpeechRnnError as error:
            return error
