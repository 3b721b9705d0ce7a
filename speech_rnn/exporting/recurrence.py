"""Recurrent layers as ONNX's own operators: over clips, along a stream, or in chunks.

One operator computes both directions, and reads each clip backwards from its own end. (torch 2.14's
exporter cannot export a GRU with a variable number of steps.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from speech_rnn.errors import ConfigurationError
from speech_rnn.exporting.graph import Graph, Value
from speech_rnn.exporting.layers import as_array
from speech_rnn.exporting.timing import Stage, Stream, Timing
from speech_rnn.model import AcousticModel
from speech_rnn.model.layers import RecurrentLayer

# The gates in ONNX's order, as indices of torch's.
GATES: dict[type[nn.RNNBase], tuple[int, ...]] = {
    nn.GRU: (1, 0, 2),
    nn.LSTM: (0, 3, 1, 2),
    nn.RNN: (0,),
}


def read_clips(
    graph: Graph, model: AcousticModel, steps: Value, timing: Timing
) -> tuple[Value, Value]:
    """Map steps (B, T, D) to hidden states (B, T, H) and the last of each direction, (B, H)."""
    lengths = graph.cast(timing.total, "int32")
    direction = "bidirectional" if model.bidirectional else "forward"
    steps = graph.op("Transpose", steps, perm=[1, 0, 2])  # (T, B, D)
    for layer in model.recurrence:
        both = [each for each in (layer.forwards, layer.backwards) if each is not None]
        hidden, last, *_ = recur(graph, both, steps, lengths, direction=direction)
        hidden = graph.op("Transpose", hidden, perm=[0, 2, 1, 3])  # (T, B, dirs, H)
        size = len(both) * layer.forwards.hidden_size
        steps = graph.op("Reshape", hidden, [0, 0, size])  # (T, B, dirs * H)
    last = graph.op("Flatten", graph.op("Transpose", last, perm=[1, 0, 2]), axis=1)  # (B, dirs * H)
    return graph.op("Transpose", steps, perm=[1, 0, 2]), last


def read_stream(graph: Graph, model: AcousticModel, steps: Value) -> Value:
    """Map the next steps (1, T, D) of a stream to hidden states (1, T, H)."""
    steps = graph.op("Transpose", steps, perm=[1, 0, 2])  # (T, 1, D)
    for number, layer in enumerate(model.recurrence):
        steps = carry(graph, layer.forwards, steps, f"hidden_{number}", f"cells_{number}")
    return graph.op("Transpose", steps, perm=[1, 0, 2])


def read_in_chunks(graph: Graph, model: AcousticModel, steps: Value, timing: Timing) -> Value:
    """Map steps (B, T, D) to hidden states (B, T', H), as `model.chunks.Chunks` does.

    T' is a multiple of the chunk. Windows of W steps are (K, W, B, D), or as batch (W, K * B, D).

    Raises
    ------
    ConfigurationError
        if the layers are LSTMs.
    """
    assert model.chunk is not None
    chunk, width = model.chunk, model.chunk + model.look_ahead
    if isinstance(model.recurrence[0].forwards, nn.LSTM):
        raise ConfigurationError(
            f"cell='lstm' with chunk={chunk} cannot be exported: ONNX's LSTM returns its cell "
            "state for the last step only, and each look-ahead needs that of its chunk; train "
            "cell='gru'"
        )
    n_inputs = model.recurrence[0].forwards.input_size
    context = timing.context(steps, Stage(width, chunk), (n_inputs,), "chunk")
    steps = context.steps
    if any(context.pads):
        missing = -graph.size(steps, 1) % chunk + model.look_ahead
        steps = graph.pad_end(steps, missing)
    n_chunks = (graph.size(steps, 1) - model.look_ahead) // chunk
    start = graph.op("Unsqueeze", graph.steps(0, n_chunks) * chunk, [1])  # (K, 1)
    index = start + np.arange(width)  # (K, W)
    steps = graph.op("Transpose", steps, perm=[1, 0, 2])  # (T, B, D)
    windows = graph.op("Gather", steps, index, axis=0)  # (K, W, B, D)
    if context.timing.first != 0:
        start = start + context.timing.first * chunk
    inside = (timing.total - start).clamp(high=width)  # (K, B)
    inside = graph.cast(graph.op("Reshape", inside.clamp(0), [-1]), "int32")
    chunks = _Chunks(
        graph,
        chunk,
        looks_ahead=model.look_ahead > 0,
        inside=inside,
        n_chunks=n_chunks,
        batch=graph.size(steps, 1),
        is_stream=isinstance(timing, Stream),
    )
    for number, layer in enumerate(model.recurrence):
        is_last = number == len(model.layers) - 1
        windows = chunks.read(layer, number, windows, is_last)  # (K, W, B, H)
    hidden = chunks.reshape(windows, -1, chunks.batch, 2 * layer.forwards.hidden_size)
    return graph.op("Transpose", hidden, perm=[1, 0, 2])


@dataclass(frozen=True)
class _Chunks:
    """Values that the layers of a model with chunks share.

    Parameters
    ----------
    chunk : number of steps for which a window computes outputs.
    looks_ahead : whether a window has further steps.
    inside : number of steps of each window that belong to its clip, (K * B,).
    n_chunks, batch : K and B, (1,) each.
    is_stream : whether forward states are carried over from run to run.
    """

    graph: Graph
    chunk: int
    looks_ahead: bool
    inside: Value
    n_chunks: Value
    batch: Value
    is_stream: bool

    def read(self, layer: RecurrentLayer, number: int, windows: Value, is_last: bool) -> Value:
        """Map windows (K, W, B, D) to (K, W, B, H); in the last layer to (K, chunk, B, H)."""
        graph, chunk = self.graph, self.chunk
        assert layer.backwards is not None
        n_inputs, size = layer.forwards.input_size, layer.forwards.hidden_size
        own = self._cut(windows, 0, chunk)
        own = self.reshape(own, -1, self.batch, n_inputs)  # (K * chunk, B, D)
        if self.is_stream:
            own = carry(graph, layer.forwards, own, f"hidden_{number}", f"cells_{number}")
        else:
            own = graph.op("Squeeze", recur(graph, [layer.forwards], own, None)[0], [1])
        forward = self.reshape(own, self.n_chunks, chunk, self.batch, size)
        behind = recur(
            graph, [layer.backwards], self._as_batch(windows, n_inputs), self.inside, (), "reverse"
        )[0]
        behind = self._as_windows(behind, size)  # (K, W, B, H / 2)
        if is_last:
            behind = self._cut(behind, 0, chunk)
        elif self.looks_ahead:
            states = graph.op("Gather", forward, chunk - 1, axis=1)  # (K, B, H / 2)
            states = graph.op("Reshape", states, [1, -1, size])
            ahead = self._as_batch(self._cut(windows, chunk, 2**62), n_inputs)
            ahead = recur(graph, [layer.forwards], ahead, None, [states])[0]
            forward = graph.op("Concat", forward, self._as_windows(ahead, size), axis=1)
        return graph.op("Concat", forward, behind, axis=3)

    def reshape(self, values: Value, *sizes: Value | int) -> Value:
        """Reshape to sizes, some of which are known only when the graph runs."""
        shape = [[size] if isinstance(size, int) else size for size in sizes]
        return self.graph.op("Reshape", values, self.graph.op("Concat", *shape, axis=0))

    def _cut(self, windows: Value, start: int, stop: int) -> Value:
        return self.graph.op("Slice", windows, [start], [stop], [1])

    def _as_batch(self, windows: Value, n_inputs: int) -> Value:
        windows = self.graph.op("Transpose", windows, perm=[1, 0, 2, 3])
        return self.graph.op("Reshape", windows, [0, -1, n_inputs])  # (W, K * B, D)

    def _as_windows(self, hidden: Value, size: int) -> Value:
        """Map the output of a recurrence, (W, 1, K * B, H), to (K, W, B, H)."""
        hidden = self.reshape(hidden, -1, self.n_chunks, self.batch, size)
        return self.graph.op("Transpose", hidden, perm=[1, 0, 2, 3])


def carry(
    graph: Graph, layer: nn.RNNBase, steps: Value, hidden: str, cells: str | None = None
) -> Value:
    """Map (T, B, D) to (T, B, H), with states of these names carried over from run to run."""
    names = [hidden, *([cells] if cells and isinstance(layer, nn.LSTM) else [])]
    states = [graph.state(name, [1, 1, layer.hidden_size]) for name in names]
    given, *after = recur(graph, [layer], steps, None, states)
    for name, value in zip(names, after, strict=True):
        graph.next_state(name, value)
    return graph.op("Squeeze", given, [1])


def recur(
    graph: Graph,
    layers: Sequence[nn.RNNBase],
    steps: Value,
    lengths: Value | None,
    states: Sequence[Value] = (),
    direction: str = "forward",
) -> list[Value]:
    """Map (T, B, D) to (T, dirs, B, H) and the last states (dirs, B, H): hidden, an LSTM's cells.

    `lengths` (B,) are int32; `states` are the initial states.
    """
    layer = layers[0]
    attributes: dict[str, Any] = {"hidden_size": layer.hidden_size, "direction": direction}
    kind = type(layer).__name__
    if kind == "GRU":
        attributes["linear_before_reset"] = 1
    elif kind == "RNN":
        name = "Tanh" if layer.nonlinearity == "tanh" else "Relu"
        attributes["activations"] = [name] * len(layers)
    given = (*_weights(layers), lengths, *states)
    return graph.ops(kind, steps, *given, n_outputs=3 if kind == "LSTM" else 2, **attributes)


def _weights(layers: Sequence[nn.RNNBase]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return ONNX's W (dirs, gates * H, D), R (dirs, gates * H, H), B (dirs, 2 * gates * H)."""
    order, size = GATES[type(layers[0])], layers[0].hidden_size

    def gates(layer: nn.RNNBase, name: str) -> NDArray[Any]:
        blocks = getattr(layer, name).split(size)
        return as_array(torch.cat([blocks[place] for place in order]))

    def biases(layer: nn.RNNBase) -> NDArray[Any]:
        return np.concatenate([gates(layer, "bias_ih_l0"), gates(layer, "bias_hh_l0")])

    return (
        np.stack([gates(layer, "weight_ih_l0") for layer in layers]),
        np.stack([gates(layer, "weight_hh_l0") for layer in layers]),
        np.stack([biases(layer) for layer in layers]),
    )
