"""The acoustic model as a graph, from frames of clips or of a stream to logits."""

from __future__ import annotations

import numpy as np
from torch import nn

from speech_rnn.exporting.front import front_stages, front_steps
from speech_rnn.exporting.graph import Graph, Value
from speech_rnn.exporting.layers import as_array, linear, normalize
from speech_rnn.exporting.recurrence import read_clips, read_in_chunks, read_stream
from speech_rnn.exporting.timing import Stage, Stream, Timing
from speech_rnn.model import AcousticModel
from speech_rnn.model.layers import Attention, Convolution


def model_stages(model: AcousticModel) -> list[Stage]:
    """Return the context of a stream that each part of the model reads: frames, then steps."""
    stages = front_stages(model.front)
    stages += [_stage(convolution) for convolution in _convolutions(model)]
    if model.stack > 1:
        stages.append(Stage(model.stack, model.stack))
    if model.chunk is not None:
        stages.append(Stage(model.chunk + model.look_ahead, model.chunk))
    return stages


def clip_logits(
    graph: Graph, model: AcousticModel, frames: Value, timing: Timing, *, embedded: bool = False
) -> tuple[Value, Value]:
    """Map frames (B, T, D) to logits (B, T, C), T = 1 for classes, and their steps (B,).

    With `embedded`, the frames are embeddings of the front before normalisation.
    """
    steps, timing = _steps(graph, model, frames, timing, embedded)
    if model.chunk is not None:
        hidden, last = read_in_chunks(graph, model, steps, timing), None
        hidden = graph.op("Slice", hidden, [0], graph.size(steps, 1), [1])
    else:
        hidden, last = read_clips(graph, model, steps, timing)
    if model.pooling is None:
        return _score(graph, model, hidden), timing.total
    whole = last if model.pooling == "last" and last else _pool(graph, model, hidden, timing)
    logits = graph.op("Unsqueeze", _score(graph, model, whole), [1])
    return logits, timing.total.clamp(high=1)


def stream_logits(graph: Graph, model: AcousticModel, frames: Value, timing: Stream) -> Value:
    """Map the next frames (1, t, D) of a stream to the logits of the steps that they complete."""
    steps, later = _steps(graph, model, frames, timing)
    if model.chunk is not None:
        return _score(graph, model, read_in_chunks(graph, model, steps, later))
    # Without the batch axis of size 1, ONNX Runtime can fuse products and sums.
    hidden = graph.op("Squeeze", read_stream(graph, model, steps), [0])  # (T, H)
    return graph.op("Unsqueeze", _score(graph, model, hidden), [0])


def _convolutions(model: AcousticModel) -> list[Convolution]:
    return [each for each in model.convolutions if isinstance(each, Convolution)]


def _stage(convolution: Convolution) -> Stage:
    kernel = convolution.convolution.kernel_size[0]
    return Stage(kernel, convolution.stride, convolution.padding[0])


def _steps(
    graph: Graph, model: AcousticModel, frames: Value, timing: Timing, embedded: bool = False
) -> tuple[Value, Timing]:
    """Embed or normalise, convolve and stack (B, T, D) to the recurrence's input, (B, T', D')."""
    width = model.n_features
    if model.front is not None:
        with graph.part("front"):
            if embedded:
                frames = normalize(graph, model.front.normalization, frames, shape=(-1,))
            else:
                frames, timing = front_steps(graph, model.front, frames, timing)
        width = model.front.n_outputs
    if model.normalization is not None:
        frames = normalize(graph, model.normalization, frames, shape=(-1,))
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
            maps = normalize(graph, convolution.normalization, maps, shape=(-1, 1, 1))
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
    if any(context.pads):  # a batch pads its last step; a stream's pieces are whole steps
        missing = -graph.size(frames, 1) % stack
        steps = graph.pad_end(steps, missing)
    steps = graph.op("Reshape", steps, [0, -1, stack * width])
    return steps, context.timing


def _pool(graph: Graph, model: AcousticModel, hidden: Value, timing: Timing) -> Value:
    """Map (B, T, H) to (B, H), or to (B, n_heads * H)."""
    if model.attend is not None:
        return _attend(graph, model.attend, hidden, timing)
    if model.pooling == "mean":
        total = graph.op("ReduceSum", timing.zero_beyond(hidden), [1], keepdims=0)
        count = graph.cast(graph.op("Unsqueeze", timing.total, [1]), "float32")
        return total / count
    return _step_at(graph, hidden, timing.total - 1)


def _step_at(graph: Graph, hidden: Value, index: Value) -> Value:
    return graph.op("GatherND", hidden, graph.op("Unsqueeze", index, [1]), batch_dims=1)


def _attend(graph: Graph, attend: Attention, hidden: Value, timing: Timing) -> Value:
    if attend.project is None:
        scores = graph.op("MatMul", hidden, as_array(attend.learned.T))  # (B, T, n_heads)
        scores = graph.op("Transpose", scores, perm=[0, 2, 1])  # (B, n_heads, T)
    else:
        middle = _step_at(graph, hidden, timing.total // 2)  # (B, H)
        query = linear(graph, attend.project, middle)
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
            hidden = graph.op("Relu", linear(graph, layer, hidden))
    return linear(graph, model.output, hidden)
