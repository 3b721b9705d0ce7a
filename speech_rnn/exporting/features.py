"""The features as a graph: windows, Fourier transform, mel filters, cosines, normalisation, deltas.

The Fourier transform is one matrix product with windowed cosines and sines: ONNX Runtime's own takes
three to seven times as long, and is no nearer to the truth. The cosines of half a megabyte are
gathered from a short table when the file is loaded. A waveform is cut at the hops, so that cutting
out the frames is a copy of whole blocks.
"""

from __future__ import annotations

from math import ceil, log

import numpy as np
from numpy.typing import NDArray

from speech_rnn.exporting.graph import Graph, Value
from speech_rnn.exporting.timing import Clips, Stage, Stream, Timing, last_steps
from speech_rnn.features import MFCC, LogMel
from speech_rnn.features.definitions import SMALLEST_DEVIATION
from speech_rnn.features.mfcc import SMALLEST_ENERGY

__all__ = ["clip_frames", "feature_stages", "stream_frames"]


def feature_stages(features: LogMel) -> list[Stage]:
    """Return what of a stream each part of the features reads: samples, then frames."""
    n_blocks, before = _blocks(features)
    mirrored = 1 - features._offset if _mirrors(features) else 0
    hop = features.hop_length
    stages = [Stage(n_blocks * hop, hop, before, minimum=mirrored)]
    if features.normalization == "sliding":
        stages.append(Stage(1, minimum=features.min_sliding_window))
    half = features.delta_window // 2
    if features.deltas and features.delta_mode == "interp":
        stages.append(Stage(3 * half + 1, before=2 * half, minimum=2 * half + 1))
    elif features.deltas:
        stages += [Stage(2 * half + 1, before=half)] * features.deltas
    return stages


def clip_frames(
    graph: Graph, features: LogMel, waveform: Value, lengths: Value
) -> tuple[Value, Timing]:
    """Map clips (B, N) of `lengths` (B,) to frames (B, T, D)."""
    hop, window = features.hop_length, features.win_length
    n_samples = graph.size(waveform, 1)
    inside = graph.op("Less", graph.steps(0, n_samples), graph.op("Unsqueeze", lengths, [1]))
    waveform = graph.op("Where", inside, waveform, 0.0)
    n_samples = graph.op("Max", n_samples, [window])
    lengths = graph.op("Max", lengths, window)
    n_blocks, before = _blocks(features)
    n_frames = _count(graph, features, n_samples)
    stop = graph.op("Mul", graph.op("Add", n_frames, n_blocks - 1), hop)  # of what frames cover
    stop = graph.op("Sub", stop, before)
    if _mirrors(features):
        missing = graph.op("Sub", n_samples, graph.size(waveform, 1))
        waveform = graph.op("Pad", waveform, graph.op("Concat", [0], missing, axis=0), None, [1])
        index = graph.steps(-before, stop)
        index = _reflect(graph, features, index, graph.op("Unsqueeze", lengths, [1]))  # (B, P)
        waveform = graph.op("GatherElements", waveform, index, axis=1)
    else:
        behind = graph.op("Sub", stop, graph.size(waveform, 1))
        pads = graph.op("Concat", [before], behind, axis=0)
        waveform = graph.op("Pad", waveform, pads, None, [1])
    timing = Clips(graph, _count(graph, features, lengths))
    return _frames(graph, features, waveform, timing, lengths)


def stream_frames(
    graph: Graph, features: LogMel, waveform: Value, end: Value, position: Value, needed: list[int]
) -> tuple[Value, Stream, Value]:
    """Map the next samples (1, n) to the frames that they complete, (1, t, D).

    Parameters
    ----------
    end : samples of the whole stream, (1,).
    position : frames cut so far, (1,).
    needed : of `timing.first_run`.

    Returns
    -------
    frames : (1, t, D).
    timing : of them.
    position : of the next run.
    """
    hop = features.hop_length
    n_blocks, before = _blocks(features)
    n_samples, n_frames = needed[:2]
    if _mirrors(features):
        waveform = _mirrored(graph, features, waveform, end, position, needed)
    else:
        n_kept = before + n_samples - n_frames * hop
        kept = graph.state("samples", [1, before], free=1)
        waveform = graph.op("Concat", kept, waveform, axis=1)
        graph.next_state("samples", last_steps(graph, waveform, n_kept, axis=1))
    timing = Stream(graph, _count(graph, features, end), position, n_frames)
    length = graph.op("Div", graph.size(waveform, 1), hop)
    after = graph.op("Add", position, graph.op("Sub", length, n_blocks - 1))
    frames, later = _frames(graph, features, waveform, timing, end)
    assert isinstance(later, Stream)
    return frames, later, after


def _blocks(features: LogMel) -> tuple[int, int]:
    """Return how many hops a frame is cut from, and the samples ahead of the clip in the first."""
    hop, window, offset = features.hop_length, features.win_length, features._offset
    n_blocks = max(ceil(window / hop), ceil((window + offset) / hop))
    return n_blocks, n_blocks * hop - window - offset


def _mirrors(features: LogMel) -> bool:
    """Whether the clip is mirrored about its ends."""
    centre = features.framing == "center" and features.pad_mode == "reflect"
    return centre or features.framing == "edges"


def _count(graph: Graph, features: LogMel, n_samples: Value) -> Value:
    """Return the frames of so many samples, at least 1."""
    count = graph.op("Add", n_samples, features.hop_length - features._reach)
    return graph.op("Max", graph.op("Div", count, features.hop_length), 1)


def _reflect(graph: Graph, features: LogMel, index: Value, lengths: Value) -> Value:
    """Fold positions into clips, as `definitions.reflect` does."""
    repeats = int(features.framing == "edges")
    period = graph.op("Mul", lengths, 2)
    if not repeats:
        period = graph.op("Max", graph.op("Sub", period, 2), 1)
    index = graph.op("Mod", index, period)
    mirrored = graph.op("Sub", graph.op("Sub", period, repeats), index)
    return graph.op("Max", graph.op("Min", index, mirrored), 0)


def _mirrored(
    graph: Graph, features: LogMel, waveform: Value, end: Value, position: Value, needed: list[int]
) -> Value:
    """Return the samples that the frames now due cover, the stream mirrored about its ends."""
    hop = features.hop_length
    n_blocks, before = _blocks(features)
    ahead = needed[0] - needed[1] * hop  # of the samples, when their number of frames is given
    n_kept = (n_blocks + 1) * hop + 2 * features.win_length  # a mirrored end reaches back so far
    heard = graph.op("Add", graph.op("Mul", position, hop), ahead)
    heard = graph.op("Mul", heard, graph.op("Min", position, 1))
    kept = graph.state("samples", [1, 0], free=1)
    waveform = graph.op("Concat", kept, waveform, axis=1)
    graph.next_state("samples", last_steps(graph, waveform, n_kept, axis=1))
    base = graph.op("Max", graph.op("Sub", heard, n_kept), 0)
    n_samples = graph.size(waveform, 1)
    stop = graph.op("Add", base, n_samples)
    n_frames = graph.op("Div", graph.op("Sub", stop, ahead), hop)
    stop = graph.op("Mul", graph.op("Add", n_frames, n_blocks - 1), hop)
    start = graph.op("Sub", graph.op("Mul", position, hop), before)
    index = graph.steps(start, graph.op("Sub", stop, before))
    index = graph.op("Sub", _reflect(graph, features, index, end), base)
    index = graph.op("Max", graph.op("Min", index, graph.op("Sub", n_samples, 1)), 0)
    return graph.op("Gather", waveform, index, axis=1)


def _frames(
    graph: Graph, features: LogMel, waveform: Value, timing: Timing, n_samples: Value
) -> tuple[Value, Timing]:
    """Map samples that hold the frames and nothing else to frames (B, T, D).

    `n_samples` (B,) are those of each clip.
    """
    frames = _static(graph, features, _windows(graph, features, waveform), timing)  # (B, T, S)
    if features.normalization == "utterance":
        frames = _normalize_utterance(graph, features, frames, timing)
    elif features.normalization == "sliding":
        frames = _normalize_sliding(graph, features, frames, timing)
    elif features.normalization == "global":
        frames = graph.op("Sub", frames, features.mean.numpy())
        if features.normalize_variance:
            frames = graph.op("Div", frames, features.std.numpy())
    if features.deltas and features.delta_mode == "interp":
        frames, timing = _interpolated_deltas(graph, features, frames, timing)
    elif features.deltas:
        frames, timing = _deltas(graph, features, frames, timing)
    if features._reach > features.win_length:  # a clip without frames counts as one of zeros
        is_empty = graph.op("Unsqueeze", graph.op("Less", n_samples, features._reach), [1, 2])
        frames = graph.op("Where", is_empty, 0.0, frames)
    return frames, timing


def _windows(graph: Graph, features: LogMel, waveform: Value) -> Value:
    """Cut frames (B, T, W) out of samples that hold them and nothing else."""
    hop, window = features.hop_length, features.win_length
    n_blocks, _ = _blocks(features)
    blocks = graph.op("Reshape", waveform, [0, -1, hop])  # (B, T + n_blocks - 1, hop)
    surplus = n_blocks * hop - window  # samples ahead of the window
    parts = []
    for number in range(n_blocks):
        behind = n_blocks - 1 - number
        skipped = min(max(surplus - number * hop, 0), hop)
        if skipped == hop:
            continue
        starts, ends = [number, skipped], [-behind if behind else 2**62, 2**62]
        parts.append(graph.op("Slice", blocks, starts, ends, [1, 2]))
    return graph.op("Concat", *parts, axis=2) if len(parts) > 1 else parts[0]


def _static(graph: Graph, features: LogMel, windows: Value, timing: Timing) -> Value:
    """Map windows (B, T, W) to what is known of each clip before normalisation, (B, T, S)."""
    if features.remove_dc_offset:
        mean = graph.op("ReduceMean", windows, [-1])
        windows = graph.op("Sub", windows, mean)
    tapered = _taper(graph, features, windows)
    log_mel = _log_mel(graph, features, tapered or windows, is_tapered=tapered is not None)
    if features.top_db is not None:
        inside = graph.op("Where", timing.inside(log_mel), log_mel, -np.inf)
        floor = graph.op("Sub", graph.op("ReduceMax", inside, [1, 2]), float(features.top_db))
        log_mel = graph.op("Max", log_mel, floor)
    if not isinstance(features, MFCC):
        return log_mel  # (B, T, M)
    dct = features._dct.numpy()
    if features.precise:
        mean = graph.op("ReduceMean", log_mel, [-1])
        shape = graph.op("MatMul", graph.op("Sub", log_mel, mean), dct)
        mfcc = graph.op("Add", shape, graph.op("Mul", mean, features._dct_of_one.numpy()))
    else:
        mfcc = graph.op("MatMul", log_mel, dct)
    if not features.use_energy:
        return mfcc  # (B, T, C)
    if features.raw_energy:
        samples = graph.op("Mul", windows, float(features.scale))
    else:
        samples = tapered or graph.op("Mul", windows, _window(features))
    energy = graph.op("ReduceSumSquare", samples, [-1])
    energy = graph.op("Max", energy, float(max(SMALLEST_ENERGY, features.energy_floor)))
    rest = graph.op("Slice", mfcc, [1], [2**62], [2])
    return graph.op("Concat", graph.op("Log", energy), rest, axis=2)


def _taper(graph: Graph, features: LogMel, windows: Value) -> Value | None:
    """Pre-emphasise and window frames (B, T, W); None where the cosines' own windows do."""
    if not features.preemphasis:
        return None
    first = graph.op("Slice", windows, [0], [1], [2])
    previous = graph.op("Slice", windows, [0], [-1], [2])
    previous = graph.op("Concat", first, previous, axis=2)
    previous = graph.op("Mul", previous, float(features.preemphasis))
    return graph.op("Mul", graph.op("Sub", windows, previous), _window(features))


def _window(features: LogMel) -> NDArray[np.float32]:
    return features._window[: features.win_length].numpy()


def _waves(graph: Graph, features: LogMel, window: NDArray[np.float32]) -> Value:
    """Return cosines and sines under a window, (W, 2 K), from a table of one period."""
    n_fft, size = features.n_fft, features.win_length
    bins = np.arange(features._bins.start, features._bins.stop)
    # half samples from the middle: where a frame's phase counts from leaves its energy
    place = graph.op("Mul", 2 * np.arange(size)[:, None] - size + 1, bins)  # (W, K)
    place = graph.op("Mod", place, 2 * n_fft)
    angle = np.pi / n_fft * np.arange(2 * n_fft)
    parts = [graph.op("Gather", table, place) for table in (np.cos(angle), np.sin(angle))]
    waves = graph.op("Concat", *parts, axis=1)
    return graph.cast(graph.op("Mul", waves, window.astype(np.float64)[:, None]), "float32")


def _log_mel(graph: Graph, features: LogMel, windows: Value, *, is_tapered: bool) -> Value:
    """Map windows (B, T, W) to log mel energies (B, T, M)."""
    window = _window(features)
    waves = _waves(graph, features, np.ones_like(window) if is_tapered else window)
    spectrum = graph.op("MatMul", windows, waves)
    energy = graph.op("Mul", spectrum, spectrum)  # (B, T, 2 K)
    filters = features._filters.numpy()
    if features.power == 2:  # the sum over both halves is the filters' own
        filters = graph.op("Concat", filters, filters, axis=0)
    else:
        real, imag = graph.ops("Split", energy, n_outputs=2, axis=2, num_outputs=2)
        energy = graph.op("Max", graph.op("Add", real, imag), float(np.finfo(np.float32).tiny))
        energy = graph.op("Pow", energy, features.power / 2)
    mel = graph.op("MatMul", energy, filters)  # (B, T, M)
    if features.log_offset:
        mel = graph.op("Add", mel, float(features.log_offset))
    log_mel = graph.op("Log", graph.op("Max", mel, float(features.amin)))
    return log_mel if features.log == "natural" else graph.op("Mul", log_mel, 10 / log(10))


def _normalize_utterance(graph: Graph, features: LogMel, frames: Value, timing: Timing) -> Value:
    exact = graph.cast(frames, "float64")
    inside = timing.inside(frames)
    count = graph.cast(graph.op("Unsqueeze", timing.total, [1, 2]), "float64")
    zero = np.float64(0)
    total = graph.op("ReduceSum", graph.op("Where", inside, exact, zero), [1])
    centred = graph.op("Sub", exact, graph.op("Div", total, count))
    if features.normalize_variance:
        squares = graph.op("Where", inside, centred, zero)
        squares = graph.op("ReduceSum", graph.op("Mul", squares, squares), [1])
        centred = _divide(graph, centred, graph.op("Div", squares, count))
    return graph.cast(centred, "float32")


def _divide(graph: Graph, centred: Value, variance: Value) -> Value:
    variance = graph.op("Max", variance, np.float64(SMALLEST_DEVIATION**2))
    return graph.op("Div", centred, graph.op("Sqrt", variance))


def _normalize_sliding(graph: Graph, features: LogMel, frames: Value, timing: Timing) -> Value:
    window, width = features.sliding_window, features._n_static
    exact = graph.cast(frames, "float64")
    step = timing.numbers(frames)  # (T,)
    past, base = timing.past(frames, window, width, "normalization")
    past = graph.cast(past, "float64")
    total = graph.op("Unsqueeze", timing.total, [1])  # (B, 1)
    end = graph.op("Add", step, 1)
    if features.min_sliding_window > 1:
        end = graph.op("Max", end, features.min_sliding_window)
    end = graph.op("Min", end, total)  # (B, T)
    start = graph.op("Max", graph.op("Sub", step, window), 0)
    count = graph.op("Max", graph.op("Sub", end, start), 1)
    count = graph.cast(graph.op("Unsqueeze", count, [2]), "float64")
    if base != 0:
        start, end = graph.op("Sub", start, base), graph.op("Sub", end, base)
    shape = graph.op("Concat", graph.op("Shape", end), [width], axis=0)
    ends = graph.op("Expand", graph.op("Unsqueeze", end, [2]), shape)  # (B, T, S)

    def mean(values: Value) -> Value:
        sums = graph.op("CumSum", values, 1)
        sums = graph.op("Pad", sums, [1, 0], None, [1])  # (B, P + 1, S)
        upto = graph.op("GatherElements", sums, ends, axis=1)
        return graph.op(
            "Div", graph.op("Sub", upto, graph.op("Gather", sums, start, axis=1)), count
        )

    average = mean(past)
    centred = graph.op("Sub", exact, average)
    if features.normalize_variance:
        squares = mean(graph.op("Mul", past, past))
        variance = graph.op("Sub", squares, graph.op("Mul", average, average))
        centred = _divide(graph, centred, variance)
    return graph.cast(centred, "float32")


def _filter(graph: Graph, frames: Value, kernels: NDArray[np.float64], width: int) -> Value:
    """Map (B, T, D) to (B, T - taps + 1, n * D) by `kernels` (n, taps)."""
    weights = kernels.astype(np.float32)[:, None, :, None]
    maps = graph.op("Conv", graph.op("Unsqueeze", frames, [1]), weights)  # (B, n, T, D)
    maps = graph.op("Transpose", maps, perm=[0, 2, 1, 3])
    return graph.op("Reshape", maps, [0, -1, len(kernels) * width])


def _kernels(features: LogMel) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Return the filters of a step itself, (taps,), and of its slope, and half their taps."""
    half = features.delta_window // 2
    n = np.arange(-half, half + 1, dtype=np.float64)
    return (n == 0).astype(np.float64), n / np.square(n).sum(), half


def _deltas(graph: Graph, features: LogMel, frames: Value, timing: Timing) -> tuple[Value, Timing]:
    """Append derivatives, a clip's end frames repeated."""
    width = features._n_static
    itself, slope, half = _kernels(features)
    if features.deltas == 2 and features.delta_mode == "convolve":
        around, later = timing.amid_ends(frames, 2 * half, 2 * half, width, "deltas")
        kernels = np.stack([np.pad(itself, half), np.pad(slope, half), np.convolve(slope, slope)])
        return _filter(graph, around, kernels, width), later
    for order in range(features.deltas):
        around, timing = timing.amid_ends(frames, half, half, width, f"deltas_{order}")
        both = _filter(graph, around, np.stack([itself, slope]), width)
        if order:  # of frames and slopes the frames' slopes are there already
            both = graph.op("Concat", *_outer(graph, both, width), axis=2)
        frames, width = both, 2 * width
    return frames, timing


def _outer(graph: Graph, both: Value, width: int) -> list[Value]:
    """Split (frames, slopes, frames' slopes, slopes' slopes) and leave the third out."""
    half = width // 2
    return [
        graph.op("Slice", both, [0], [width], [2]),
        graph.op("Slice", both, [width + half], [2 * width], [2]),
    ]


def _interpolated_deltas(
    graph: Graph, features: LogMel, frames: Value, timing: Timing
) -> tuple[Value, Timing]:
    """Append derivatives of the nearest whole window (librosa's ``interp``)."""
    width = features._n_static
    _, slope, half = _kernels(features)
    n = np.arange(-half, half + 1, dtype=np.float64)
    parabola = np.square(n) - np.square(n).mean()
    kernels = np.stack([slope, 2 * parabola / np.square(parabola).sum()])[: features.deltas]
    around, later = timing.amid_ends(frames, 2 * half, half, width, "deltas")
    derivatives = _filter(graph, around, kernels, width)  # of frame first - half and those after
    frames = graph.op("Slice", around, [2 * half], [-half], [1])
    step = later.numbers(frames)
    total = graph.op("Unsqueeze", later.total, [1])  # (B, 1)
    whole = graph.op("Max", graph.op("Min", step, graph.op("Sub", total, 1 + half)), half)
    whole = graph.op("Where", graph.op("Less", total, features.delta_window), step, whole)
    whole = graph.op("Sub", whole, graph.op("Sub", later.first, half))
    whole = graph.op("Unsqueeze", whole, [2])
    shape = graph.op("Concat", graph.size(whole, 0), graph.size(whole, 1), [1], axis=0)
    index = graph.op("Expand", whole, graph.op("Mul", shape, [1, 1, features.deltas * width]))
    derivatives = graph.op("GatherElements", derivatives, index, axis=1)
    return graph.op("Concat", frames, derivatives, axis=2), later
