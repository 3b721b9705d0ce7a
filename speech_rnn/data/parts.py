"""The parts of batches: each process computes one of a batch, or several in turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from torch.utils.data import Sampler

from speech_rnn.data.cache import Lengths
from speech_rnn.tensors.processes import process_of


class Order(Protocol):
    """A seeded order of batches, which does not depend on the number of processes."""

    @property
    def clips(self) -> Lengths:
        """The clips that are ordered."""

    def begin(self, epoch: int, start: int = 0) -> None:
        """Select the epoch, and its first batch. Later iterations begin with the first again."""

    def split(self, batch: list[int], n_parts: int) -> list[list[int]]:
        """Cut a batch into parts whose sizes differ by one clip at most."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[list[int]]: ...


@dataclass(frozen=True)
class Part:
    """The clips of a batch that are computed at once.

    A batch with fewer clips than parts is not cut: all parts hold it, so that the processes keep
    in step, and only the first counts.

    Parameters
    ----------
    indices : the clips of this part.
    batch : the clips of the whole batch.
    number : index of the part among those of its batch.
    n_parts : number of parts of its batch.
    """

    indices: list[int]
    batch: list[int]
    number: int = 0
    n_parts: int = 1

    @classmethod
    def whole(cls, batch: list[int]) -> Part:
        """Return the part that holds all clips of a batch."""
        return cls(batch, batch)

    @property
    def counts(self) -> bool:
        """Whether its clips are counted here, and not in the first part."""
        return self.number == 0 or len(self.batch) >= self.n_parts

    @property
    def seed(self) -> tuple[int, ...]:
        """Numbers that make the random draws of a part its own; none for a whole batch."""
        return (self.number,) if self.n_parts > 1 else ()

    def weight(self, own: int, whole: int) -> float:
        """Return the factor on a mean over `own` items of this part.

        The mean of the weighted means of all parts is the mean over the `whole` batch's items.
        """
        return own * self.n_parts / whole if self.counts else 0.0


class Parts(Sampler[Part]):
    """The parts of each batch that this process computes.

    Parameters
    ----------
    order : order of the batches, the same in all processes.
    turns : number of parts that a process computes one after the other.
    """

    def __init__(self, order: Order, turns: int = 1) -> None:
        self.order, self.turns = order, turns

    def __len__(self) -> int:
        return len(self.order) * self.turns

    def __iter__(self) -> Iterator[Part]:
        process, processes = process_of()
        n_parts = processes * self.turns
        for batch in self.order:
            cut = self.order.split(batch, n_parts) if n_parts <= len(batch) else [batch] * n_parts
            for number in range(process * self.turns, (process + 1) * self.turns):
                yield Part(cut[number], batch, number, n_parts)
