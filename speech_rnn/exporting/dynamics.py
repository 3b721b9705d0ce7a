"""Features that depend on neighbouring frames: normalisation over time, and derivatives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speech_rnn.exporting.graph import Graph, Value
from speech_rnn.exporting.timing import Timing
from speech_rnn.features import LogMel
from speech_rnn.features.definitions import SMALLEST_DEVIATION


def normalize_utterance(graph: Graph, features: LogMel, frames: Value, timing: Timing) -> Value:
    """Subtract each clip's mean, as `definitions.normalize_utterance` does."""
    exact = graph.cast(frames, "float64")
    inside = timing.inside(frames)
    count = graph.cast(graph.op("Unsqueeze", timing.total, [1, 2]), "float64")
    zero = np.float64(0)
    total = graph.op("ReduceSum", graph.op("Where", inside, exact, zero), [1])
    centred = exact - total / count
    if features.normalize_variance:
        squares = graph.op("Where", inside, centred, zero)
        squares = graph.op("ReduceSum", squares * squares, [1])
        centred = _divide(graph, centred, squares / count)
    return graph.cast(centred, "float32")


def _divide(graph: Graph, centred: Value, variance: Value) -> Value:
    return centred / graph.op("Sqrt", variance.clamp(np.float64(SMALLEST_DEVIATION**2)))


def normalize_sliding(graph: Graph, features: LogMel, frames: Value, timing: Timing) -> Value:
    """Subtract the mean of the past, as `definitions.normalize_sliding` does."""
    window, width = features.sliding_window, features.n_static
    exact = graph.cast(frames, "float64")
    step = timing.numbers(frames)  # (T,)
    past, base = timing.past(exact, window, width, "normalization", "float64")
    total = graph.op("Unsqueeze", timing.total, [1])  # (B, 1)
    end = step + 1
    if features.min_sliding_window > 1:
        end = end.clamp(features.min_sliding_window)
    end = end.clamp(high=total)  # (B, T)
    start = (step - window).clamp(0)
    count = (end - start).clamp(1)
    count = graph.cast(graph.op("Unsqueeze", count, [2]), "float64")
    if base != 0:
        start, end = start - base, end - base
    shape = graph.op("Concat", graph.op("Shape", end), [width], axis=0)
    ends = graph.op("Expand", graph.op("Unsqueeze", end, [2]), shape)  # (B, T, S)

    def mean(values: Value) -> Value:
        sums = graph.op("CumSum", values, 1)
        sums = graph.op("Pad", sums, [1, 0], None, [1])  # (B, P + 1, S)
        upto = graph.op("GatherElements", sums, ends, axis=1)
        return (upto - graph.op("Gather", sums, start, axis=1)) / count

    average = mean(past)
    centred = exact - average
    if features.normalize_variance:
        squares = mean(past * past)
        variance = squares - average * average
        centred = _divide(graph, centred, variance)
    return graph.cast(centred, "float32")


def _filter(graph: Graph, frames: Value, kernels: NDArray[np.float64], width: int) -> Value:
    """Map (B, T, D) to (B, T - taps + 1, n * D) by `kernels` (n, taps)."""
    weights = kernels.astype(np.float32)[:, None, :, None]
    maps = graph.op("Conv", graph.op("Unsqueeze", frames, [1]), weights)  # (B, n, T, D)
    maps = graph.op("Transpose", maps, perm=[0, 2, 1, 3])
    return graph.op("Reshape", maps, [0, -1, len(kernels) * width])


def _kernels(features: LogMel) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Return the filters of a frame itself and of its slope, (taps,) each, and half the taps."""
    half = features.delta_window // 2
    n = np.arange(-half, half + 1, dtype=np.float64)
    return (n == 0).astype(np.float64), n / np.square(n).sum(), half


def add_deltas(
    graph: Graph, features: LogMel, frames: Value, timing: Timing
) -> tuple[Value, Timing]:
    """Append derivatives; the first and last frame of a clip are repeated at its ends."""
    width = features.n_static
    itself, slope, half = _kernels(features)
    if features.deltas == 2 and features.delta_mode == "convolve":
        around, later = timing.amid_ends(frames, 2 * half, 2 * half, width, "deltas")
        kernels = np.stack([np.pad(itself, half), np.pad(slope, half), np.convolve(slope, slope)])
        return _filter(graph, around, kernels, width), later
    for order in range(features.deltas):
        around, timing = timing.amid_ends(frames, half, half, width, f"deltas_{order}")
        both = _filter(graph, around, np.stack([itself, slope]), width)
        if order:  # the slopes of frames are there already
            both = graph.op("Concat", *_outer(graph, both, width), axis=2)
        frames, width = both, 2 * width
    return frames, timing


def _outer(graph: Graph, both: Value, width: int) -> list[Value]:
    """Split (frames, slopes, frames' slopes, slopes' slopes), and leave out the third."""
    half = width // 2
    return [
        graph.op("Slice", both, [0], [width], [2]),
        graph.op("Slice", both, [width + half], [2 * width], [2]),
    ]


def interpolated_deltas(
    graph: Graph, features: LogMel, frames: Value, timing: Timing
) -> tuple[Value, Timing]:
    """Append derivatives; at the ends of a clip from its nearest whole window (as librosa)."""
    width = features.n_static
    _, slope, half = _kernels(features)
    n = np.arange(-half, half + 1, dtype=np.float64)
    parabola = np.square(n) - np.square(n).mean()
    kernels = np.stack([slope, 2 * parabola / np.square(parabola).sum()])[: features.deltas]
    around, later = timing.amid_ends(frames, 2 * half, half, width, "deltas")
    derivatives = _filter(graph, around, kernels, width)  # from frame first - half on
    frames = graph.op("Slice", around, [2 * half], [-half], [1])
    step = later.numbers(frames)
    total = graph.op("Unsqueeze", later.total, [1])  # (B, 1)
    whole = step.clamp(half, total - (1 + half))
    whole = graph.op("Where", total < features.delta_window, step, whole)
    whole = graph.op("Unsqueeze", whole - (later.first - half), [2])
    shape = graph.op("Concat", graph.size(whole, 0), graph.size(whole, 1), [1], axis=0)
    index = graph.op("Expand", whole, shape * [1, 1, features.deltas * width])
    derivatives = graph.op("GatherElements", derivatives, index, axis=1)
    return graph.op("Concat", frames, derivatives, axis=2), later
