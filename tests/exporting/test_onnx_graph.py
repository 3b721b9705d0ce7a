"""A graph keeps what its outputs need, and takes no exponential of a logarithm."""

import numpy as np
import onnx
import onnxruntime

from speech_rnn.exporting.graph import Graph


def test_only_what_outputs_need_is_written():
    graph = Graph()
    given = graph.input("given", "float32", ["n"])
    unneeded = graph.op("Exp", given + 3.0)
    graph.op("Sqrt", unneeded)
    graph.output("wanted", graph.op("Neg", given * 2.0), "float32", ["n"])
    model = graph.model()
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Mul", "Neg", "Identity"]
    assert len(model.graph.initializer) == 1
    session = onnxruntime.InferenceSession(model.SerializeToString())
    values = np.array([1, 2], np.float32)
    np.testing.assert_array_equal(session.run(None, {"given": values})[0], -2 * values)


def test_the_exponential_of_a_logarithm_is_its_input():
    graph = Graph()
    given = graph.input("given", "float32", ["n"])
    there_and_back = graph.exp(graph.op("Log", given))
    assert there_and_back.name == given.name
    graph.output("powers", graph.exp(given), "float32", ["n"])
    session = onnxruntime.InferenceSession(graph.model().SerializeToString())
    values = np.array([0, 1], np.float32)
    np.testing.assert_allclose(session.run(None, {"given": values})[0], np.exp(values))
