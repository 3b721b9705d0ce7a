"""The acoustic model as a graph: frames of clips or of a stream to logits."""

from __future__ import annotations

import numpy as np
from torch import nn

from speech_rnn.exporting.graph import Graph, Value
from speech_rnn.exporting.recurrence import (
    as_array,
    read_clips,
    read_in_chunks,
    read_stream,
)
from speech_rnn.exporting.timing import Clips, Stage, Stream, Timing, ceil_div
from speech_rnn.model import AcousticModel
from speech_rnn.model.embedding import (
    CHANNELS,
    FIELD,
    LOUDEST_DB,
    POOLING,
    SILENCE_DB,
    STRIDE,
    SpeechEmbedding,
)
from speech_rnn.model.layers import Attention, Convolution, MaskedBatchNorm

__all__ = ["clip_logits", "model_stages", "stream_logits"]


def model_stages(model: AcousticModel) -> list[Stage]:
    """Return what of a stream each part of the model reads: frames, then steps."""
    stages = [_stage(convolution) for convolution in _convolutions(model)]
    if model.stack > 1:
        stages.append(Stage(model.stack, model.stack))
    if model.chunk is not None:
        stages.append(Stage(model.chunk + model.look_ahead, model.chunk))
    return stages


def clip_logits(
    graph: Graph, model: AcousticModel, frames: Value, timing: Timing
) -> tuple[Value, Value]:
    """Map frames (B, T, D) of clips to logits (B, T, C), T = 1 for classes, and their steps (B,)."""
    if model.front is not None:
        frames, timing = _embed(graph, model.front, frames, timing)
    steps, timing = _steps(graph, model, frames, timing)
    if model.chunk is not None:
        hidden, last = read_in_chunks(graph, model, steps, timing), None
        hidden = graph.op("Slice", hidden, [0], graph.size(steps, 1), [1])
    else:
        hidden, last = read_clips(graph, model, steps, timing)
    if model.pooling is None:
        return _score(graph, model, hidden), timing.total
    whole = last if model.pooling == "last" and last else _pool(graph, model, hidden, timing)
    logits = graph.op("Unsqueeze", _score(graph, model, whole), [1])
    return logits, graph.op("Min", timing.total, 1)


def stream_logits(graph: Graph, model: AcousticModel, frames: Value, timing: Stream) -> Value:
    """Map the next frames (1, t, D) of a stream to logits of the steps that they complete."""
    steps, later = _steps(graph, model, frames, timing)
    if model.chunk is not None:
        return _score(graph, model, read_in_chunks(graph, model, steps, later))
    return _score(graph, model, read_stream(graph, model, steps))


def _convolutions(model: AcousticModel) -> list[Convolution]:
    return [each for each in model.convolutions if isinstance(each, Convolution)]


def _stage(convolution: Convolution) -> Stage:
    kernel = convolution.convolution.kernel_size[0]
    return Stage(kernel, convolution.stride, convolution.padding[0])


def _steps(
    graph: Graph, model: AcousticModel, frames: Value, timing: Timing
) -> tuple[Value, Timing]:
    """Normalise, convolve and stack frames (B, T, D): what the recurrence reads, (B, T', D')."""
    width = model.n_features if model.front is None else model.front.n_outputs
    if model.normalization is not None:
        frames = _normalize(graph, model.normalization, frames, shape=(-1,))
    channels = 1
    if len(model.convolutions):
        maps = graph.op("Unsqueeze", frames, [1])  # (B, 1, T, D)
        for number, convolution in enumerate(_convolutions(model)):
            weight = convolution.convolution
            name = f"convolution_{number}"
            context = timing.context(maps, _stage(convolution), (channels, width), name)
            before, after = context.pads
            maps = graph.op(
                "Conv",
                context.steps,
                as_array(weight.weight),
                None if weight.bias is None else as_array(weight.bias),
                strides=[convolution.stride, 1],
                pads=[before, 0, after, 0],
            )
            maps = graph.op("Relu", maps)
            maps = _normalize(graph, convolution.normalization, maps, shape=(-1, 1, 1))
            timing, channels = context.timing, weight.out_channels
        frames = graph.op("Transpose", maps, perm=[0, 2, 1, 3])  # (B, T, channels, D)
        frames = graph.op("Reshape", frames, [0, 0, channels * width])
    if model.stack > 1:
        frames, timing = _stack(graph, model.stack, frames, channels * width, timing)
    return frames, timing


def _stack(
    graph: Graph, stack: int, frames: Value, width: int, timing: Timing
) -> tuple[Value, Timing]:
    context = timing.context(frames, Stage(stack, stack), (width,), "stack")
    steps = context.steps
    if any(context.pads):  # a batch fills up its last step; a stream's pieces are whole steps
        missing = graph.op("Mod", graph.op("Neg", graph.size(frames, 1)), stack)
        steps = graph.op("Pad", steps, graph.op("Concat", [0], missing, axis=0), None, [1])
    steps = graph.op("Reshape", steps, [0, -1, stack * width])
    return steps, context.timing


def _normalize(
    graph: Graph, normalization: MaskedBatchNorm, values: Value, shape: tuple[int, ...]
) -> Value:
    mean, variance = normalization.running_mean, normalization.running_var
    assert mean is not None
    assert variance is not None
    scale = normalization.weight * (variance + normalization.eps).rsqrt()
    centred = graph.op("Sub", values, as_array(mean).reshape(shape))
    scaled = graph.op("Mul", centred, as_array(scale).reshape(shape))
    return graph.op("Add", scaled, as_array(normalization.bias).reshape(shape))


def _embed(
    graph: Graph, front: SpeechEmbedding, frames: Value, timing: Timing
) -> tuple[Value, Timing]:
    """Map frames (B, T, 32) to embeddings (B, ⌈T / 8⌉, 96), as `SpeechEmbedding` does."""
    inside = graph.op("Where", timing.inside(frames), frames, -np.inf)
    loudest = graph.op("ReduceMax", inside, [1, 2])
    below = graph.op("Div", graph.op("Sub", inside, loudest), 10.0)
    power = graph.op("Add", graph.op("Pow", 10.0, below), float(10 ** (-SILENCE_DB / 10)))
    level = graph.op("Div", graph.op("Log", power), float(np.log(10)))
    before = (FIELD - STRIDE) // 2
    n_frames = graph.size(frames, 1)
    n_steps = graph.op("Div", graph.op("Add", n_frames, STRIDE - 1), STRIDE)
    after = graph.op("Add", graph.op("Mul", n_steps, STRIDE), FIELD - STRIDE - before)
    after = graph.op("Sub", after, n_frames)
    pads = graph.op("Concat", [before], after, axis=0)
    padded = graph.op("Pad", level, pads, float(-SILENCE_DB / 10), [1])
    maps = graph.op("Add", padded, float(LOUDEST_DB / 10 + 2))
    maps = graph.op("Unsqueeze", maps, [1])  # (B, 1, T', 32)
    for number, convolution in enumerate(front.convolutions):
        assert isinstance(convolution, nn.Conv2d)
        assert convolution.bias is not None
        _, across = convolution.padding
        weights = as_array(convolution.weight), as_array(convolution.bias)
        maps = graph.op("Conv", maps, *weights, pads=[0, int(across), 0, int(across)])
        if number != len(CHANNELS) - 1:
            maps = graph.op("LeakyRelu", maps, alpha=0.2)
            maps = graph.op("Max", maps, -0.4)
        if number in POOLING:
            size = list(POOLING[number])
            maps = graph.op("MaxPool", maps, kernel_shape=size, strides=size)
    maps = _normalize(graph, front.normalization, maps, shape=(-1, 1, 1))  # (B, 96, S, 1)
    steps = graph.op("Transpose", graph.op("Squeeze", maps, [3]), perm=[0, 2, 1])
    return steps, Clips(graph, ceil_div(timing, STRIDE))


def _pool(graph: Graph, model: AcousticModel, hidden: Value, timing: Timing) -> Value:
    """Map (B, T, H) to (B, H), or to (B, n_heads * H)."""
    if model.attend is not None:
        return _attend(graph, model.attend, hidden, timing)
    if model.pooling == "mean":
        total = graph.op("ReduceSum", timing.zero_beyond(hidden), [1], keepdims=0)
        count = graph.cast(graph.op("Unsqueeze", timing.total, [1]), "float32")
        return graph.op("Div", total, count)
    return _step_at(graph, hidden, graph.op("Sub", timing.total, 1))


def _step_at(graph: Graph, hidden: Value, index: Value) -> Value:
    return graph.op("GatherND", hidden, graph.op("Unsqueeze", index, [1]), batch_dims=1)


def _attend(graph: Graph, attend: Attention, hidden: Value, timing: Timing) -> Value:
    if attend.project is None:
        scores = graph.op("MatMul", hidden, as_array(attend.learned.T))  # (B, T, n_heads)
        scores = graph.op("Transpose", scores, perm=[0, 2, 1])  # (B, n_heads, T)
    else:
        middle = _step_at(graph, hidden, graph.op("Div", timing.total, 2))  # (B, H)
        query = _linear(graph, attend.project, middle)
        size = attend.project.in_features
        query = graph.op("Reshape", query, [0, attend.n_heads, size])  # (B, n_heads, H)
        across = graph.op("Transpose", hidden, perm=[0, 2, 1])
        scores = graph.op("MatMul", query, across)  # (B, n_heads, T)
    inside = graph.op("Transpose", timing.inside(hidden), perm=[0, 2, 1])  # (B, 1, T)
    weights = graph.op("Softmax", graph.op("Where", inside, scores, -np.inf), axis=2)
    return graph.op("Flatten", graph.op("MatMul", weights, hidden), axis=1)


def _score(graph: Graph, model: AcousticModel, hidden: Value) -> Value:
    for layer in model.dense:
        if isinstance(layer, nn.Linear):
            hidden = graph.op("Relu", _linear(graph, layer, hidden))
    return _linear(graph, model.output, hidden)


def _linear(graph: Graph, layer: nn.Linear, values: Value) -> Value:
    product = graph.op("MatMul", values, as_array(layer.weight.T))
    return product if layer.bias is None else graph.op("Add", product, as_array(layer.bias))
