import numpy as np
import pytest

from speech_rnn.engines.last_layer import LastLayer, read_last_layer
from speech_rnn.engines.onnx_engine import OnnxEngine
from speech_rnn.errors import ModelError
from speech_rnn.exporting import export_onnx
from speech_rnn.recognizer import Recognizer
from tests.listeners import scene, train_listener
from tests.test_recognizer import untrained

KINDS = ("torch", "onnx", "stream", "int8", "classes", "classes onnx")


def engine_of(kind, folder):
    is_class = kind.startswith("classes")
    recognizer = untrained() if is_class else train_listener(bidirectional=False)
    if kind in ("torch", "classes"):
        return recognizer.engine
    model = export_onnx(recognizer, streaming=kind == "stream", int8=kind == "int8")
    (folder / "words.onnx").write_bytes(model.SerializeToString())
    return OnnxEngine.load(folder / "words.onnx", "cpu")[0]


@pytest.fixture
def clip():
    waveform, _ = scene(["low", "high"], seed=3)
    return waveform[None], np.array([waveform.size], np.int64)


@pytest.mark.parametrize("kind", KINDS)
def test_the_logits_of_an_identity_are_the_states_that_the_layer_reads(kind, clip, tmp_path):
    engine = engine_of(kind, tmp_path)
    layer = engine.last_layer()
    states, steps = engine.with_last_layer(LastLayer.identity(layer.weight.shape[1])).logits(*clip)
    logits, expected_steps = engine.logits(*clip)
    np.testing.assert_allclose(layer(states), logits, atol=2e-4)
    np.testing.assert_array_equal(steps, expected_steps)


# With another number of rows, PyTorch may sum the product of a single state in another order: on an
# AMD EPYC, two logits of a classifier change by 1.5e-8.
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_more_leaves_the_other_logits_as_they_were(kind, clip, tmp_path):
    engine = engine_of(kind, tmp_path)
    layer = engine.last_layer()
    row = np.linspace(-1, 1, layer.weight.shape[1]).astype(np.float32)
    place = len(layer.bias)
    larger = engine.with_last_layer(layer.with_row(row, 0.5, place))
    before, after = engine.logits(*clip)[0], larger.logits(*clip)[0]
    assert after.shape[2] == larger.n_outputs == place + 1
    rounding = 1e-7 if kind == "classes" else 0.0
    np.testing.assert_allclose(after[..., :place], before, rtol=0, atol=rounding)
    again = larger.with_last_layer(larger.last_layer().without(place))
    np.testing.assert_array_equal(again.logits(*clip)[0], before)
    assert again.describe()["model"] == engine.describe()["model"]


@pytest.mark.parametrize("kind", ["onnx", "stream", "int8"])
def test_a_file_with_another_last_layer_is_loaded_without_a_warning(kind, clip, tmp_path, recwarn):
    engine = engine_of(kind, tmp_path)
    layer = engine.last_layer()
    larger = engine.with_last_layer(layer.with_row(layer.weight[1], 0.25, len(layer.bias)))
    recognizer = Recognizer.load(tmp_path / "words.onnx")
    tokens = {"tokens": [*recognizer.vocabulary.tokens, "more"], "unit": "words"}
    description = recognizer.description | larger.describe() | {"vocabulary": tokens}
    (tmp_path / "more.onnx").write_bytes(larger.serialize(description))
    loaded = Recognizer.load(tmp_path / "more.onnx")
    np.testing.assert_array_equal(loaded.logits(*clip)[0], larger.logits(*clip)[0])
    assert not recwarn.list


def test_a_graph_that_ends_otherwise_is_refused(tmp_path):
    model = export_onnx(untrained())
    for node in model.graph.node:
        if node.op_type == "Add" and node.output[0].endswith("_0"):
            node.op_type = "Sub"
    with pytest.raises(ModelError, match="does not end in a linear layer"):
        read_last_layer(model)
