"""Google's speech embedding as a graph: log-mel frames to embeddings."""

from __future__ import annotations

import numpy as np
from torch import nn

from speech_rnn.exporting.graph import Graph, Value
from speech_rnn.exporting.layers import as_array, normalize
from speech_rnn.exporting.timing import Stage, Timing
from speech_rnn.model.embedding import (
    BEFORE,
    CHANNELS,
    FIELD,
    LOUDEST_DB,
    N_BANDS,
    POOLING,
    SILENCE,
    SILENCE_DB,
    STRIDE,
    SpeechEmbedding,
)

FRONT = Stage(FIELD, STRIDE, BEFORE)
"""Number of frames that one embedding reads."""


def embed(
    graph: Graph, front: SpeechEmbedding, frames: Value, timing: Timing
) -> tuple[Value, Timing]:
    """Map frames (B, T, 32) to embeddings (B, ⌈T / 8⌉, 96), as `SpeechEmbedding` does.

    A piece of a stream has `FIELD` frames, including frames before it, plus whole steps of
    `STRIDE`. Pooling therefore never leaves a remainder, and no convolution needs a state of its
    own.
    """
    level = timing.zero_beyond(_above_silence(graph, front, frames, timing))
    maps = graph.op("Unsqueeze", level, [1])  # (B, 1, T, 32)
    pads, channels, bands = (BEFORE, FIELD - 1 - BEFORE), 1, N_BANDS
    for number, convolution in enumerate(front.convolutions):
        assert isinstance(convolution, nn.Conv2d)
        assert convolution.bias is not None
        reach, across = convolution.kernel_size[0] - 1, convolution.kernel_size[1] // 2
        if reach:
            maps = timing.amid(maps, pads, reach, (channels, bands), f"front_{number}")
        if number == 0:
            maps, pads = maps + SILENCE, (0, 0)
        weights = as_array(convolution.weight), as_array(convolution.bias)
        maps = graph.op("Conv", maps, *weights, pads=[0, across, 0, across])
        if number != len(CHANNELS) - 1:
            # max(leaky(x), -0.4) would be equal, but the output range of int8 may begin at -0.4.
            maps = graph.op("LeakyRelu", graph.op("Clip", maps, -2.0), alpha=0.2)
        channels = convolution.out_channels
        if number in POOLING:
            size = list(POOLING[number])
            maps = graph.op("MaxPool", maps, kernel_shape=size, strides=size)
            bands //= size[1]
    maps = normalize(graph, front.normalization, maps, shape=(-1, 1, 1))  # (B, 96, S, 1)
    steps = graph.op("Transpose", graph.op("Squeeze", maps, [3]), perm=[0, 2, 1])
    return steps, timing.after(FRONT)


def _above_silence(graph: Graph, front: SpeechEmbedding, frames: Value, timing: Timing) -> Value:
    """Map dB to levels above the noise that stands for silence, in powers of ten."""
    loudest: Value | float = LOUDEST_DB
    if front.levels_clips:
        inside = graph.op("Where", timing.inside(frames), frames, -np.inf)
        loudest = graph.op("ReduceMax", inside, [1, 2])
    below = (frames - loudest) / 10.0
    power = 10.0**below + float(10 ** (-SILENCE_DB / 10))
    level = graph.op("Log", power) / float(np.log(10))
    return level + float(SILENCE_DB / 10)
