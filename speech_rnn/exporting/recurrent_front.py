"""The recurrent encoder as a graph: log-mel frames of clips or of a stream to embeddings."""

from __future__ import annotations

from math import log

from torch import nn

from speech_rnn.exporting.graph import Graph, Value
from speech_rnn.exporting.layers import as_array
from speech_rnn.exporting.recurrence import carry, recur
from speech_rnn.exporting.timing import Stage, Stream, Timing
from speech_rnn.features.encoder import (
    FRAMES,
    QUIET,
    RANGE,
    CausalConvolution,
    RecurrentEncoder,
)


def encoder_stage(encoder: RecurrentEncoder) -> Stage:
    """Return the context of frames that it reads: a step's own, and the look-ahead."""
    return Stage(FRAMES + encoder.look_ahead, FRAMES)


def encode(
    graph: Graph, encoder: RecurrentEncoder, frames: Value, timing: Timing
) -> tuple[Value, Timing]:
    """Map frames (B, T, M) to embeddings (B, ⌈T / 4⌉, D), as `RecurrentEncoder` does.

    The first piece of a stream also holds the look-ahead; all pieces consist of whole steps.
    """
    stage = encoder_stage(encoder)
    level = timing.zero_beyond(_above_silence(frames))
    if not isinstance(timing, Stream):  # pad to whole steps, and with silence for the look-ahead
        missing = -graph.size(level, 1) % FRAMES + encoder.look_ahead
        level = graph.pad_end(level, missing)
    maps = graph.op("Unsqueeze", level, [1])  # (B, 1, T, M)
    channels, bands = 1, encoder.n_mels
    convolutions = [*encoder.convolutions, encoder.projection]
    for number, convolution in enumerate(convolutions):
        assert isinstance(convolution, CausalConvolution)
        assert convolution.bias is not None
        before, across = convolution.n_before, int(convolution.padding[1])
        maps = timing.amid(maps, (before, 0), before, (channels, bands), f"encoder_{number}")
        maps = graph.op(
            "Conv",
            maps,
            as_array(convolution.weight),
            as_array(convolution.bias),
            strides=list(convolution.stride),
            pads=[0, across, 0, across],
        )
        maps = graph.op("Relu", maps)
        channels = convolution.out_channels
        bands = (bands + 2 * across - convolution.kernel_size[1]) // convolution.stride[1] + 1
    steps = graph.op("Transpose", graph.op("Squeeze", maps, [3]), perm=[2, 0, 1])  # (S, B, D)
    states = []
    for number, layer in enumerate(encoder.recurrence):
        assert isinstance(layer, nn.GRU)
        if isinstance(timing, Stream):
            steps = carry(graph, layer, steps, f"encoder_state_{number}")
        else:
            steps = graph.op("Squeeze", recur(graph, [layer], steps, None)[0], [1])
        states.append(steps)
    steps = graph.op("Concat", *states, axis=2)
    steps = graph.op("Transpose", steps, perm=[1, 0, 2])  # (B, S + delay, D)
    return _delayed(graph, encoder, steps, timing), timing.after(stage)


def _delayed(graph: Graph, encoder: RecurrentEncoder, steps: Value, timing: Timing) -> Value:
    """Drop the states before the first step of a clip, or of a stream's first piece."""
    to_skip: list[int] | Value = [encoder.delay]
    if isinstance(timing, Stream):
        to_skip = (encoder.delay - timing.first // FRAMES).clamp(0)
    return graph.op("Slice", steps, to_skip, [2**62], [1])


def _above_silence(frames: Value) -> Value:
    """Map natural logarithms to levels, as `speech_rnn.features.encoder.above_silence` does."""
    graph = frames.graph
    energy = graph.exp(frames) + QUIET
    return (graph.op("Log", energy) - log(QUIET)) / RANGE
