"""The position of a graph's steps in their clips: whole clips of a batch, or a piece of a stream.

Layers declare the context that they need around each step, and are the same for both cases. The
time axis is the last but one. A stream keeps the context in states of the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from speech_rnn.exporting.graph import Graph, Value


@dataclass(frozen=True)
class Stage:
    """A layer that reads `kernel` steps, `stride` apart, the first of them `before` the clip.

    Parameters
    ----------
    minimum : number of steps that are needed before the first output.
    """

    kernel: int
    stride: int = 1
    before: int = 0
    minimum: int = 0

    def needs(self, n_outputs: int) -> int:
        """Return the steps that give this many outputs, and no step that later ones would miss."""
        last = (n_outputs - 1) * self.stride + self.kernel
        return max(last, n_outputs * self.stride) - self.before


def first_run(stages: Sequence[Stage]) -> tuple[int, list[int]]:
    """Return the number of blocks in a stream's first run, and the steps into each stage."""
    n_blocks = 0
    while True:
        n_blocks += 1
        needed = [n_blocks]
        for stage in reversed(stages):
            needed.insert(0, stage.needs(needed[0]))
        if all(n >= stage.minimum for n, stage in zip(needed, stages, strict=False)):
            return n_blocks, needed


@dataclass(frozen=True)
class Context:
    """The input of a convolution, the zeros that it must add, and the timing of its outputs."""

    steps: Value
    pads: tuple[int, int]
    timing: Timing


@dataclass(frozen=True)
class Timing:
    """The position of steps (..., T, D) in whole clips of a batch, with padding after them.

    Attributes
    ----------
    graph : the graph under construction.
    total : number of steps of each clip, (B,) int64; a very large number (1,) in an open stream.
    first : index of the tensor's first step, (1,) int64, or 0.
    """

    graph: Graph
    total: Value
    first: Value | int = 0

    def context(self, steps: Value, stage: Stage, width: Sequence[int], name: str) -> Context:
        """Return the input of a valid convolution for `stage`: the steps with zeros around them.

        Parameters
        ----------
        steps : (..., T, D).
        width : sizes of the tensor, without the batch and T.
        name : name of the state in which a stream keeps steps.
        """
        steps = self.zero_beyond(steps, len(width) + 2)
        pads = (stage.before, stage.kernel - 1 - stage.before)
        return Context(steps, pads, self.after(stage))

    def amid(
        self, steps: Value, pads: tuple[int, int], n_kept: int, width: Sequence[int], name: str
    ) -> Value:
        """Return the steps with zeros around them; a stream uses its earlier steps instead.

        Parameters
        ----------
        steps : (..., T, D), with zeros beyond the end of a stream.
        pads : number of zeros before and after.
        n_kept : number of last steps that a stream keeps for its next piece.
        width, name : as in `context`.
        """
        if not any(pads):
            return steps
        before, after = ([0] * len(width) + [n, 0] for n in pads)  # all axes, see Graph.pad_end
        return self.graph.op("Pad", steps, before + after)

    def after(self, stage: Stage) -> Timing:
        """Return the timing of the outputs of `stage`."""
        return Timing(self.graph, self.total_of(stage.stride))

    def total_of(self, stride: int) -> Value:
        """Return the clips' numbers of steps after a reduction by `stride`."""
        return self.total if stride == 1 else (self.total + (stride - 1)) // stride

    def amid_ends(
        self, steps: Value, before: int, after: int, width: int, name: str
    ) -> tuple[Value, Timing]:
        """Return (B, T + before + after, D): the first and last step of each clip are repeated."""
        graph = self.graph
        last = graph.op("Unsqueeze", self.total - 1, [1])  # (B, 1)
        last = graph.op("GatherND", steps, last, batch_dims=1)  # (B, D)
        last = graph.op("Unsqueeze", last, [1])
        steps = graph.op("Where", self.inside(steps), steps, last)
        return graph.op("Pad", steps, [before, after], None, [1], mode="edge"), self

    def past(
        self, steps: Value, n_steps: int, width: int, name: str, dtype: str = "float32"
    ) -> tuple[Value, Value | int]:
        """Return the steps with up to `n_steps` before them, and the index of the first."""
        return steps, 0

    def numbers(self, steps: Value) -> Value:
        """Return the indices of the steps, (T,)."""
        n_steps = self.graph.size(steps, -2)
        if self.first == 0:
            return self.graph.steps(0, n_steps)
        return self.graph.steps(self.first, self.first + n_steps)

    def inside(self, steps: Value, rank: int = 3) -> Value:
        """Return which of (..., T, D) belong to their clips, (B, 1…, T, 1)."""
        graph = self.graph
        total = graph.op("Unsqueeze", self.total, [1])
        inside = self.numbers(steps) < total  # (B, T)
        return graph.op("Unsqueeze", inside, [2] if rank == 3 else [1, 3])

    def zero_beyond(self, steps: Value, rank: int = 3) -> Value:
        """Return `steps` with zeros after the end of each clip."""
        return self.graph.op("Where", self.inside(steps, rank), steps, 0.0)


@dataclass(frozen=True)
class Stream(Timing):
    """A piece of a single stream, (1, ..., T, D).

    Parameters
    ----------
    n_first : number of steps of the shortest possible first piece.
    """

    first: Value
    n_first: int = 0

    def context(self, steps: Value, stage: Stage, width: Sequence[int], name: str) -> Context:
        """Put the kept steps before the new ones; a stream begins with zeros."""
        if stage.kernel - stage.before > 1:
            steps = self.zero_beyond(steps, len(width) + 2)
        n_kept = stage.before + self.n_first - self._n_first_of(stage) * stage.stride
        if n_kept or stage.before:
            steps = self.amid(steps, (stage.before, 0), n_kept, width, name)
        return Context(steps, (0, 0), self.after(stage))

    def amid(
        self, steps: Value, pads: tuple[int, int], n_kept: int, width: Sequence[int], name: str
    ) -> Value:
        """Put zeros before the first piece, and the last earlier steps before each other piece."""
        graph = self.graph
        shape = [1, *width[:-1], pads[0], width[-1]]
        kept = graph.state(name, shape, free=len(shape) - 2)
        steps = graph.op("Concat", kept, steps, axis=-2)
        graph.next_state(name, last_steps(graph, steps, n_kept))
        return steps

    def after(self, stage: Stage) -> Timing:
        """Return the timing of those outputs of `stage` for which the steps so far are enough."""
        graph, first = self.graph, self.first
        shift = stage.before - stage.kernel + stage.stride
        if shift:
            first = (first + shift).clamp(0)
        if stage.stride > 1:
            first = first // stage.stride
        total = self.total_of(stage.stride)
        return Stream(graph, total, first, self._n_first_of(stage))

    def _n_first_of(self, stage: Stage) -> int:
        return (stage.before + self.n_first - stage.kernel) // stage.stride + 1

    def amid_ends(
        self, steps: Value, before: int, after: int, width: int, name: str
    ) -> tuple[Value, Timing]:
        """Gather the steps around each one that is due; beyond the ends, repeat the last one."""
        graph = self.graph
        stop = self.first + graph.size(steps, -2)
        steps, base = self.past(steps, before + after, width, name)
        first = (self.first - after).clamp(0)
        index = graph.steps(first - before, stop).clamp(0, self.total - 1)
        steps = graph.op("Gather", steps, index - base, axis=1)
        return steps, Stream(graph, self.total, first, self.n_first - after)

    def past(
        self, steps: Value, n_steps: int, width: int, name: str, dtype: str = "float32"
    ) -> tuple[Value, Value | int]:
        """Put the kept steps before the new ones; a stream begins with none."""
        graph = self.graph
        kept = graph.state(name, [1, 0, width], dtype, free=1)
        steps = graph.op("Concat", kept, steps, axis=1)
        graph.next_state(name, last_steps(graph, steps, n_steps))
        return steps, (self.first - n_steps).clamp(0)


def last_steps(graph: Graph, steps: Value, n_steps: int, axis: int = -2) -> Value:
    """Return the last `n_steps`, or all if there are fewer."""
    if not n_steps:
        return graph.op("Slice", steps, [0], [0], [axis])
    return graph.op("Slice", steps, [-n_steps], [2**62], [axis])
