"""The features as a graph: windows, Fourier transform, mel filters, DCT, normalisation, deltas.

The Fourier transform is one matrix product with windowed cosines and sines. ONNX Runtime's own
takes three to seven times as long, and torch's has twice the error in float32 (log energies of
digits, compared with float64). The cosines, half a megabyte, are gathered from a short table when
the file is loaded. The waveform is cut at the hops, so that frames are copies of whole blocks.
"""

from __future__ import annotations

from math import ceil, log

import numpy as np
from numpy.typing import NDArray

from speech_rnn.exporting.dynamics import (
    add_deltas,
    interpolated_deltas,
    normalize_sliding,
    normalize_utterance,
)
from speech_rnn.exporting.graph import Graph, Value
from speech_rnn.exporting.timing import Stage, Stream, Timing, last_steps
from speech_rnn.features import MFCC, LogMel
from speech_rnn.features.mfcc import SMALLEST_ENERGY


def feature_stages(features: LogMel) -> list[Stage]:
    """Return the context of a stream that each part of the features reads: samples, then frames."""
    n_blocks, before = _blocks(features)
    mirrored = 1 - features.layout.offset if features.layout.mirrors else 0
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
    inside = graph.steps(0, n_samples) < graph.op("Unsqueeze", lengths, [1])
    waveform = graph.op("Where", inside, waveform, 0.0)
    n_samples = graph.op("Max", n_samples, [window])
    lengths = lengths.clamp(window)
    n_blocks, before = _blocks(features)
    n_frames = _count(graph, features, n_samples)
    stop = (n_frames + (n_blocks - 1)) * hop - before  # end of the samples that frames cover
    if features.layout.mirrors:
        missing = graph.op("Concat", [0], n_samples - graph.size(waveform, 1), axis=0)
        waveform = graph.op("Pad", waveform, missing, None, [1])
        index = graph.steps(-before, stop)
        index = _reflect(graph, features, index, graph.op("Unsqueeze", lengths, [1]))  # (B, P)
        waveform = graph.op("GatherElements", waveform, index, axis=1)
    else:
        behind = stop - graph.size(waveform, 1)
        pads = graph.op("Concat", [before], behind, axis=0)
        waveform = graph.op("Pad", waveform, pads, None, [1])
    timing = Timing(graph, _count(graph, features, lengths))
    return _frames(graph, features, waveform, timing, lengths)


def stream_frames(
    graph: Graph, features: LogMel, waveform: Value, end: Value, position: Value, needed: list[int]
) -> tuple[Value, Stream, Value]:
    """Map the next samples (1, n) to the frames that they complete, (1, t, D).

    Parameters
    ----------
    end : number of samples of the whole stream, (1,).
    position : number of frames cut so far, (1,).
    needed : result of `timing.first_run`.

    Returns
    -------
    frames : (1, t, D).
    timing : position of these frames in the stream.
    position : `position` of the next run.
    """
    hop = features.hop_length
    n_blocks, before = _blocks(features)
    n_samples, n_frames = needed[:2]
    if features.layout.mirrors:
        waveform = _mirrored(graph, features, waveform, end, position, needed)
    else:
        n_kept = before + n_samples - n_frames * hop
        kept = graph.state("samples", [1, before], free=1)
        waveform = graph.op("Concat", kept, waveform, axis=1)
        graph.next_state("samples", last_steps(graph, waveform, n_kept, axis=1))
    timing = Stream(graph, _count(graph, features, end), position, n_frames)
    after = position + (graph.size(waveform, 1) // hop - (n_blocks - 1))
    frames, later = _frames(graph, features, waveform, timing, end)
    assert isinstance(later, Stream)
    return frames, later, after


def _blocks(features: LogMel) -> tuple[int, int]:
    """Return the number of hops that a frame covers, and the padding before the first sample."""
    hop, window, offset = features.hop_length, features.win_length, features.layout.offset
    n_blocks = max(ceil(window / hop), ceil((window + offset) / hop))
    return n_blocks, n_blocks * hop - window - offset


def _count(graph: Graph, features: LogMel, n_samples: Value) -> Value:
    """Return the number of frames for these numbers of samples, at least 1."""
    hop = features.hop_length
    return ((n_samples + (hop - features.layout.reach)) // hop).clamp(1)


def _reflect(graph: Graph, features: LogMel, index: Value, lengths: Value) -> Value:
    """Fold positions into clips, as `definitions.reflect` does."""
    repeats = int(features.framing == "edges")
    period = lengths * 2
    if not repeats:
        period = (period - 2).clamp(1)
    index = index % period
    mirrored = period - repeats - index
    return index.clamp(0, mirrored)


def _mirrored(
    graph: Graph, features: LogMel, waveform: Value, end: Value, position: Value, needed: list[int]
) -> Value:
    """Return the samples of the frames that are due; the stream is mirrored at its ends."""
    hop = features.hop_length
    n_blocks, before = _blocks(features)
    ahead = needed[0] - needed[1] * hop  # samples that are needed before the frames' own
    n_kept = (n_blocks + 1) * hop + 2 * features.win_length  # a mirrored end reaches this far back
    n_seen = (position * hop + ahead) * position.clamp(high=1)
    kept = graph.state("samples", [1, 0], free=1)
    waveform = graph.op("Concat", kept, waveform, axis=1)
    graph.next_state("samples", last_steps(graph, waveform, n_kept, axis=1))
    base = (n_seen - n_kept).clamp(0)
    n_samples = graph.size(waveform, 1)
    stop = base + n_samples
    stop = ((stop - ahead) // hop + (n_blocks - 1)) * hop
    index = graph.steps(position * hop - before, stop - before)
    index = (_reflect(graph, features, index, end) - base).clamp(0, n_samples - 1)
    return graph.op("Gather", waveform, index, axis=1)


def _frames(
    graph: Graph, features: LogMel, waveform: Value, timing: Timing, n_samples: Value
) -> tuple[Value, Timing]:
    """Map samples that hold exactly the frames to frames (B, T, D).

    `n_samples` (B,) are the samples of each clip.
    """
    frames = _static(graph, features, _windows(graph, features, waveform), timing)  # (B, T, S)
    if features.normalization == "utterance":
        frames = normalize_utterance(graph, features, frames, timing)
    elif features.normalization == "sliding":
        frames = normalize_sliding(graph, features, frames, timing)
    elif features.normalization == "global":
        frames = frames - features.mean.numpy()
        if features.normalize_variance:
            frames = frames / features.std.numpy()
    if features.deltas and features.delta_mode == "interp":
        frames, timing = interpolated_deltas(graph, features, frames, timing)
    elif features.deltas:
        frames, timing = add_deltas(graph, features, frames, timing)
    if features.layout.reach > features.win_length:  # a clip without frames gets one of zeros
        is_empty = graph.op("Unsqueeze", n_samples < features.layout.reach, [1, 2])
        frames = graph.op("Where", is_empty, 0.0, frames)
    return frames, timing


def _windows(graph: Graph, features: LogMel, waveform: Value) -> Value:
    """Cut frames (B, T, W) from samples that hold exactly these frames."""
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
    """Map windows (B, T, W) to the features before normalisation, (B, T, S)."""
    if features.remove_dc_offset:
        windows = windows - graph.op("ReduceMean", windows, [-1])
    tapered = _taper(graph, features, windows)
    log_mel = _log_mel(graph, features, tapered or windows, is_tapered=tapered is not None)
    if features.top_db is not None:
        inside = graph.op("Where", timing.inside(log_mel), log_mel, -np.inf)
        floor = graph.op("ReduceMax", inside, [1, 2]) - float(features.top_db)
        log_mel = log_mel.clamp(floor)
    if not isinstance(features, MFCC):
        return log_mel  # (B, T, M)
    dct = features.dct.numpy()
    if features.precise:
        mean = graph.op("ReduceMean", log_mel, [-1])
        shape = graph.op("MatMul", log_mel - mean, dct)
        mfcc = shape + mean * features.dct_of_one.numpy()
    else:
        mfcc = graph.op("MatMul", log_mel, dct)
    if not features.use_energy:
        return mfcc  # (B, T, C)
    if features.raw_energy:
        samples = windows * float(features.scale)
    else:
        samples = tapered or windows * _window(features)
    energy = graph.op("ReduceSumSquare", samples, [-1])
    energy = energy.clamp(float(max(SMALLEST_ENERGY, features.energy_floor)))
    rest = graph.op("Slice", mfcc, [1], [2**62], [2])
    return graph.op("Concat", graph.op("Log", energy), rest, axis=2)


def _taper(graph: Graph, features: LogMel, windows: Value) -> Value | None:
    """Apply pre-emphasis and window to frames (B, T, W); None if the cosines include them."""
    if not features.preemphasis:
        return None
    first = graph.op("Slice", windows, [0], [1], [2])
    previous = graph.op("Slice", windows, [0], [-1], [2])
    previous = graph.op("Concat", first, previous, axis=2)
    return (windows - previous * float(features.preemphasis)) * _window(features)


def _window(features: LogMel) -> NDArray[np.float32]:
    return features.window_weights[: features.win_length].numpy()


def _waves(graph: Graph, features: LogMel, window: NDArray[np.float32]) -> Value:
    """Return windowed cosines and sines, (W, 2 K), from a table of one period."""
    n_fft, size = features.n_fft, features.win_length
    bins = np.arange(features.mel_filters.bins.start, features.mel_filters.bins.stop)
    # Half samples from the middle: a frame's energy does not depend on the origin of its phase.
    place = graph.op("Mul", 2 * np.arange(size)[:, None] - size + 1, bins) % (2 * n_fft)  # (W, K)
    angle = np.pi / n_fft * np.arange(2 * n_fft)
    parts = [graph.op("Gather", table, place) for table in (np.cos(angle), np.sin(angle))]
    waves = graph.op("Concat", *parts, axis=1)
    return graph.cast(waves * window.astype(np.float64)[:, None], "float32")


def _log_mel(graph: Graph, features: LogMel, windows: Value, *, is_tapered: bool) -> Value:
    """Map windows (B, T, W) to log mel energies (B, T, M)."""
    window = _window(features)
    waves = _waves(graph, features, np.ones_like(window) if is_tapered else window)
    spectrum = graph.op("MatMul", windows, waves)
    energy = spectrum * spectrum  # (B, T, 2 K)
    weights = features.mel_filters.filters.numpy()
    filters: Value | NDArray[np.float32] = weights
    if features.power == 2:  # the filters sum the squares of both halves themselves
        filters = graph.op("Concat", weights, weights, axis=0)
    else:
        real, imag = graph.ops("Split", energy, n_outputs=2, axis=2, num_outputs=2)
        energy = (real + imag).clamp(float(np.finfo(np.float32).tiny)) ** (features.power / 2)
    mel = graph.op("MatMul", energy, filters)  # (B, T, M)
    if features.log_offset:
        mel = mel + float(features.log_offset)
    log_mel = graph.op("Log", mel.clamp(float(features.amin)))
    return log_mel if features.log == "natural" else log_mel * (10 / log(10))
