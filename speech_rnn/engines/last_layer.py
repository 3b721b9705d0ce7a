"""Read an engine's last layer, from states to logits, and replace it by one of another size."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech_rnn.errors import ModelError

if TYPE_CHECKING:
    import onnx

WEIGHT, BIAS = "last_layer_weight", "last_layer_bias"
"""Names of the constants of a replaced last layer in a graph."""


class LastLayer(NamedTuple):
    """A linear layer, ``weight @ state + bias`` for a state (H,): (C, H) and (C,), float32."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    @classmethod
    def identity(cls, size: int) -> LastLayer:
        """Return the layer whose logits are the states themselves, (H,)."""
        return cls(np.eye(size, dtype=np.float32), np.zeros(size, np.float32))

    def __call__(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map states (..., H) to logits (..., C)."""
        return np.asarray(states @ self.weight.T + self.bias)

    def with_row(self, row: NDArray[np.float32], bias: float, place: int) -> LastLayer:
        """Return the layer with one more output, of row (H,), before the output `place`."""
        return LastLayer(
            np.insert(self.weight, place, row, axis=0).astype(np.float32),
            np.insert(self.bias, place, bias).astype(np.float32),
        )

    def without(self, place: int) -> LastLayer:
        """Return the layer without the output `place`."""
        return LastLayer(np.delete(self.weight, place, axis=0), np.delete(self.bias, place))


def read_last_layer(model: onnx.ModelProto) -> LastLayer:
    """Return the last layer of a graph that `speech_rnn.exporting` wrote, with float weights.

    Raises
    ------
    ModelError
        if the graph ends in another way.
    """
    product, total = _last_nodes(model)
    weight = _constant(model, product.input[1])
    return LastLayer(
        np.ascontiguousarray(weight.T, np.float32), _constant(model, total.input[1]).copy()
    )


def replace_last_layer(model: onnx.ModelProto, layer: LastLayer) -> None:
    """Replace the last layer of a graph by one with float weights, so that no logit is rounded.

    Raises
    ------
    ModelError
        if the graph was not written by `speech_rnn.exporting`.
    """
    from onnx import numpy_helper

    product, total = _last_nodes(model)
    product.input[1], total.input[1] = WEIGHT, BIAS
    graph = model.graph
    given = {WEIGHT: layer.weight.T, BIAS: layer.bias}
    kept = [each for each in graph.initializer if each.name not in given]
    new = [
        numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name)
        for name, values in given.items()
    ]
    del graph.initializer[:]
    graph.initializer.extend([*kept, *new])
    _drop_unused(graph)
    graph.output[0].type.tensor_type.shape.dim[2].dim_value = len(layer.bias)


def _last_nodes(model: onnx.ModelProto) -> tuple[onnx.NodeProto, onnx.NodeProto]:
    """Return the MatMul and the Add that compute the logits."""
    made = {name: node for node in model.graph.node for name in node.output}
    node = made.get(model.graph.output[0].name)
    while node is not None and node.op_type in ("Identity", "Unsqueeze"):
        node = made.get(node.input[0])
    product = made.get(node.input[0]) if node is not None and node.op_type == "Add" else None
    if node is None or product is None or product.op_type != "MatMul":
        raise ModelError("the graph does not end in a linear layer; export the recogniser again")
    return product, node


def _constant(model: onnx.ModelProto, name: str) -> NDArray[np.float32]:
    """Return a constant; an 8-bit one is dequantized, as in the graph itself."""
    from onnx import numpy_helper

    constants = {each.name: each for each in model.graph.initializer}
    made = {output: node for node in model.graph.node for output in node.output}

    def value(name: str) -> NDArray[np.float32]:
        if name in constants:
            return np.asarray(numpy_helper.to_array(constants[name])).astype(np.float32)
        node = made.get(name)
        if node is None or node.op_type not in ("Cast", "Mul"):
            raise ModelError(
                "the last layer's weights are not constant; export the recogniser again"
            )
        values = [value(each) for each in node.input]
        return values[0] if node.op_type == "Cast" else values[0] * values[1]

    return value(name)


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Remove the nodes and constants on which no output depends."""
    needed = {output.name for output in graph.output}
    nodes: list[onnx.NodeProto] = []
    for node in reversed(graph.node):  # a node comes after all of its inputs
        if needed.intersection(node.output):
            nodes.insert(0, node)
            needed.update(node.input)
    constants = [each for each in graph.initializer if each.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
