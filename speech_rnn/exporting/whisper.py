"""Whisper's encoder as a graph: log-mel frames of clips to embeddings.

Its convolutions are written as products of neighbouring frames and a matrix, like all other layers,
so that an int8 file can quantize the values of each clip dynamically.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from torch import nn

from speech_rnn.exporting.graph import Graph, Value
from speech_rnn.exporting.layers import as_array, linear, normalize
from speech_rnn.exporting.timing import Stage, Timing
from speech_rnn.model.whisper import (
    BEFORE,
    HEAD,
    LOUDEST,
    RANGE,
    STRIDE,
    WINDOW,
    EncoderLayer,
    SelfAttention,
    WhisperEncoder,
)


def encode(
    graph: Graph, front: WhisperEncoder, frames: Value, timing: Timing
) -> tuple[Value, Timing]:
    """Map frames (B, T, 80) to embeddings (B, ⌈T / 2⌉, D), as `WhisperEncoder` does."""
    level = _in_silence(graph, front, frames, timing)
    window = Timing(graph, (timing.total + 2 * BEFORE).clamp(WINDOW))
    steps = level
    for convolution in front.convolutions:
        assert isinstance(convolution, nn.Conv1d)
        steps = _gelu(graph, _convolve(graph, convolution, window.zero_beyond(steps)))
        window = window.after(Stage(1, convolution.stride[0]))
    steps = steps + _positions(graph, front, graph.size(steps, 1))
    inside = graph.op("Transpose", window.inside(steps, 4), perm=[0, 1, 3, 2])  # (B, 1, 1, T)
    for layer in front.layers:
        assert isinstance(layer, EncoderLayer)
        normed = _layer_norm(graph, layer.attention_norm, steps)
        steps = steps + _attend(graph, layer.attention, normed, inside)
        wide = linear(graph, layer.widen, _layer_norm(graph, layer.dense_norm, steps))
        steps = steps + linear(graph, layer.narrow, _gelu(graph, wide))
    later = timing.after(Stage(STRIDE, STRIDE))
    first = BEFORE // STRIDE
    n_steps = (graph.size(frames, 1) + (STRIDE - 1)) // STRIDE
    steps = graph.op("Slice", steps, [first], n_steps + first, [1])
    steps = _layer_norm(graph, front.norm, steps)
    return normalize(graph, front.normalization, steps, shape=(-1,)), later


def _in_silence(graph: Graph, front: WhisperEncoder, frames: Value, timing: Timing) -> Value:
    """Map frames in dB to levels amid silence, as `WhisperEncoder.in_silence` does."""
    powers = graph.op("Where", timing.inside(frames), frames / 10.0, -np.inf)
    loudest = graph.op("ReduceMax", powers, [1, 2])  # (B, 1, 1)
    above = (powers - loudest).clamp(-RANGE)
    n_frames = graph.size(frames, 1)
    after = (n_frames + 2 * BEFORE).clamp(WINDOW) - BEFORE - n_frames
    pads = graph.op("Concat", [0, BEFORE, 0, 0], after, [0], axis=0)
    above = graph.op("Pad", above, pads, -RANGE)
    return (above + (LOUDEST if front.levels_clips else loudest) + 4.0) / 4.0


def _convolve(graph: Graph, convolution: nn.Conv1d, steps: Value) -> Value:
    """Convolve (B, T, D), padded with zeros, to (B, ⌈T / stride⌉, D')."""
    size = convolution.kernel_size[0]
    steps = graph.op("Pad", steps, [0, size // 2, 0, 0, size // 2, 0])
    ends = [number - size + 1 or 2**62 for number in range(size)]
    neighbours = [
        graph.op("Slice", steps, [number], [end], [1], list(convolution.stride))
        for number, end in enumerate(ends)
    ]
    side_by_side = graph.op("Concat", *neighbours, axis=2)  # (B, T', size * D)
    weight = as_array(convolution.weight)  # (D', D, size)
    matrix = weight.transpose(2, 1, 0).reshape(-1, len(weight))
    assert convolution.bias is not None
    return graph.op("MatMul", side_by_side, matrix) + as_array(convolution.bias)


def _positions(graph: Graph, front: WhisperEncoder, n_steps: Value) -> Value:
    """Return the positional encodings of the first steps, which float16 represents exactly."""
    known = graph.cast(
        graph.op("Identity", as_array(front.positions).astype(np.float16)), "float32"
    )
    return graph.op("Slice", known, [0], n_steps, [0])


def _attend(graph: Graph, attention: SelfAttention, steps: Value, inside: Value) -> Value:
    """Apply self-attention within each clip, (B, T, D) to (B, T, D)."""
    projected = linear(graph, attention.project, steps)
    parts = graph.ops("Split", projected, n_outputs=3, axis=2, num_outputs=3)
    shape = [0, 0, attention.n_heads, HEAD]
    queries, keys, values = (graph.op("Reshape", part, shape) for part in parts)
    queries = graph.op("Transpose", queries, perm=[0, 2, 1, 3])  # (B, heads, T, 64)
    keys = graph.op("Transpose", keys, perm=[0, 2, 3, 1])  # (B, heads, 64, T)
    values = graph.op("Transpose", values, perm=[0, 2, 1, 3])
    scores = graph.op("MatMul", queries, keys) * (1 / sqrt(HEAD))
    weights = graph.op("Softmax", graph.op("Where", inside, scores, -np.inf), axis=3)
    attended = graph.op("Transpose", graph.op("MatMul", weights, values), perm=[0, 2, 1, 3])
    joined = graph.op("Reshape", attended, [0, 0, attention.n_heads * HEAD])
    return linear(graph, attention.output, joined)


def _layer_norm(graph: Graph, norm: nn.LayerNorm, steps: Value) -> Value:
    weights = as_array(norm.weight), as_array(norm.bias)
    return graph.op("LayerNormalization", steps, *weights, epsilon=norm.eps)


def _gelu(graph: Graph, values: Value) -> Value:
    """Return x Φ(x), computed with the error function, as torch's default does."""
    return values * (graph.op("Erf", values * (1 / sqrt(2))) + 1.0) * 0.5
