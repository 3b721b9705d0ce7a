"""Files of strangers end in a `ModelError` or load as what they say, in no time and no memory."""

import json
from base64 import b64decode, b64encode
from functools import partial

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors import safe_open
from safetensors.torch import save_file

from speech_rnn import Recognizer
from speech_rnn.engines.foreign_graph import MICROSOFT, OPERATORS
from speech_rnn.engines.probe import ModelWarning
from speech_rnn.errors import ModelError
from speech_rnn.exporting import export_onnx
from tests.commands import speech_rnn
from tests.test_recognizer import untrained
from tests.tone_graphs import write_tone_graph

KINDS = pytest.mark.parametrize("ending", ["safetensors", "onnx"])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A classifier as a file of either kind."""
    folder = tmp_path_factory.mktemp("models")
    recognizer = untrained()
    recognizer.save(folder / "model.safetensors")
    (folder / "model.onnx").write_bytes(export_onnx(recognizer).SerializeToString())
    return {ending: folder / f"model.{ending}" for ending in ("safetensors", "onnx")}


def described(path, target, change):
    """Write a file again with its description changed: by a function, or a text in its place."""
    if path.suffix == ".onnx":
        model = onnx.load(path)
        entry = model.metadata_props[0]
        entry.value = change if isinstance(change, str) else _changed(entry.value, change)
        target.write_bytes(model.SerializeToString())
        return target
    with safe_open(path, framework="pt") as file:
        text, tensors = file.metadata()["speech_rnn"], {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
    text = change if isinstance(change, str) else _changed(text, change)
    save_file(tensors, target, {"speech_rnn": text})
    return target


def _changed(text, change):
    description = json.loads(text)
    change(description)
    return json.dumps(description)


def put(place, value, description):
    """Set the value at a place such as ``model.hidden_size``."""
    *parts, last = place.split(".")
    for part in parts:
        description = description[part]
    description[last] = value


@KINDS
@pytest.mark.parametrize("text", [50_000 * "[", 50_000 * '{"a":', "[]", "3", "null", '{"version"'])
def test_case_f13_an_invalid_description(files, ending, text, tmp_path):
    path = described(files[ending], tmp_path / f"m.{ending}", text)
    with pytest.raises(ModelError, match="but not a Recognizer"):
        Recognizer.load(path)


WRONG = [
    ("calibration.unknown_below", "x"),
    ("calibration.ambiguous_below", 1.0),
    ("calibration.ambiguous_below", {"low": "x"}),
    ("calibration.temperature", 0),
    ("calibration.temperature", 1e-300),
    ("calibration.temperature", float("nan")),
    ("calibration.temperature", True),
    ("calibration", []),
    ("calibration.more", 1),
    ("decoding.token_bonus", "x"),
    ("decoding.token_bonus", float("inf")),
    ("decoding.more", 1),
    ("vocabulary.tokens", ["low", 2, "high"]),
    ("vocabulary.tokens", "low"),
    ("vocabulary.tokens", ["low", "low", "high"]),
    ("vocabulary.unit", 3),
    ("vocabulary", None),
    ("spotting", {"thresholds": "x"}),
    ("spotting", {"thresholds": {"low": "x"}}),
    ("spotting", {"lags": "x"}),
    ("spotting", {"lags": {"low": [1, "x"]}}),
    ("spotting", {"threshold": None}),
    ("spotting", 7),
    ("provenance", "x"),
    ("features", None),
    ("model", "x"),
    ("model.head", "x"),
]


@KINDS
@pytest.mark.parametrize(("place", "value"), WRONG)
def test_case_f15_values_of_a_wrong_type(files, ending, place, value, tmp_path):
    path = described(files[ending], tmp_path / f"m.{ending}", partial(put, place, value))
    if (place, ending) == ("features", "onnx"):  # it is told and not computed with
        Recognizer.load(path)
        return
    with pytest.raises(ModelError) as caught:
        Recognizer.load(path)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("sample_rate", 0),
        ("sample_rate", "x"),
        ("step_seconds", 1e-30),
        ("step_seconds", "x"),
        ("most_samples", "x"),
        ("version", None),
        ("stream", {}),
        ("stream", 5),
    ],
)
def test_case_f15_a_graph_that_is_described_wrongly(files, place, value, tmp_path):
    path = described(files["onnx"], tmp_path / "m.onnx", partial(put, f"onnx.{place}", value))
    with pytest.raises(ModelError, match="does not fit its description"):
        Recognizer.load(path)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("states", [{"name": "heard", "shape": "x", "dtype": "int64"}]),
        ("states", [{"name": "heard", "shape": [2**40], "dtype": "float64"}]),
        ("states", [{"name": "heard", "shape": [-1], "dtype": "int64"}]),
        ("states", [{"name": "heard", "shape": [1], "dtype": "object"}]),
        ("states", 3),
        ("hop_length", "x"),
        ("hop_length", 0),
        ("block_samples", 0),
        ("block_steps", 2**40),
        ("first_samples", 2**40),
        ("subsampling", 0),
        ("win_length", 10**12),
    ],
)
def test_case_f15_a_stream_that_is_described_wrongly(place, value, tmp_path):
    path = write_tone_graph(tmp_path / "tones.onnx", "streaming")
    Recognizer.load(path)
    path = described(path, tmp_path / "m.onnx", partial(put, f"onnx.stream.{place}", value))
    with pytest.raises(ModelError):
        Recognizer.load(path)


def test_case_f15_a_graph_that_gives_fewer_steps_than_it_says(tmp_path):
    path = write_tone_graph(tmp_path / "tones.onnx", "streaming")
    path = described(path, tmp_path / "m.onnx", partial(put, "onnx.stream.block_steps", 3))
    with pytest.raises(ModelError, match="where its description has"):
        Recognizer.load(path)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("model.hidden_size", 10**7),
        ("model.hidden_size", 10**30),
        ("model.n_layers", 10**9),
        ("model.n_outputs", 10**9),
        ("model.n_heads", 10**8),
        ("model.stack", 10**9),
        ("model.chunk", 10**9),
        ("model.dense", [10**6, 10**6]),
        ("model.convolutions", [{"channels": 10**6, "kernel": 10**4}]),
        ("model.front", "whisper_medium"),
        ("model.dropout", "x"),
        ("features.n_fft", 2**33),
        ("features.win_length", 2**33),
        ("features.n_mels", 10**9),
        ("features.hop_length", 1),
        ("features.hop_length", "x"),
        ("features.sample_rate", 1),
        ("features.sample_rate", 10**12),
        ("features.delta_window", 10**9 + 1),
        ("features.class", "Frames"),
        ("features.class", []),
    ],
)
def test_case_f15_sizes_are_checked_before_memory_is_taken(files, place, value, tmp_path):
    path = described(files["safetensors"], tmp_path / "m.st", partial(put, place, value))
    with pytest.raises(ModelError):
        Recognizer.load(path)


def test_case_f15_nan_weights(files, tmp_path):
    with safe_open(files["safetensors"], framework="pt") as file:
        metadata, tensors = file.metadata(), {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
    tensors["model.output.bias"][1] = float("nan")
    save_file(tensors, tmp_path / "m.safetensors", metadata)
    with pytest.raises(ModelError, match=r"model\.output\.bias holds NaN"):
        Recognizer.load(tmp_path / "m.safetensors")
    model = onnx.load(files["onnx"])
    last = [node for node in model.graph.node if node.op_type == "Add"][-1].input[1]
    weights = next(each for each in model.graph.initializer if each.name == last)
    damaged = np.full_like(numpy_helper.to_array(weights), np.nan)
    weights.CopyFrom(numpy_helper.from_array(damaged, weights.name))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="computes NaN or infinite logits"):
        Recognizer.load(tmp_path / "m.onnx")


def grown(path, target, *nodes, constants=(), functions=()):
    """Write an ONNX file with more nodes before its own."""
    model = onnx.load(path)
    own = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *own])
    model.graph.initializer.extend(constants)
    model.functions.extend(functions)
    target.write_bytes(model.SerializeToString())
    return target


def turns(n_turns):
    """A loop that counts."""
    of = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["value", "value"], ["next"]),
        ],
        "body",
        [of("turn", TensorProto.INT64, []), of("go", TensorProto.BOOL, []), of("value", 7, [])],
        [of("go_on", TensorProto.BOOL, []), of("next", 7, [])],
    )
    values = {"turns": np.int64(n_turns), "true": np.array(True), "zero": np.int64(0)}
    constants = [numpy_helper.from_array(np.array(value), name) for name, value in values.items()]
    return helper.make_node("Loop", ["turns", "true", "zero"], ["end"], body=body), constants


@pytest.mark.parametrize(
    ("kind", "sizes", "message"),
    [
        ("Tile", [2**20, 2**20], "has the operator Tile"),
        ("Expand", [2**17, 2**17], "expands a tensor to gigabytes"),
        ("Expand", [2**34], "asks for a tensor of gigabytes"),
        ("ConstantOfShape", [2**34], "has the operator ConstantOfShape"),
        ("Resize", [2**20, 2**20], "has the operator Resize"),
        ("Scan", [1], "has the operator Scan"),
        ("If", [1], "has the operator If"),
    ],
)
def test_case_f16_graphs_that_fill_the_memory(files, kind, sizes, message, tmp_path):
    constants = [numpy_helper.from_array(np.array(sizes, np.int64), "sizes")]
    constants.append(numpy_helper.from_array(np.float32([[1]]), "once"))
    node = helper.make_node(kind, ["once", "sizes"], ["many"])
    path = grown(files["onnx"], tmp_path / "m.onnx", node, constants=constants)
    with pytest.raises(ModelError, match=f"{message}, which files of speech-rnn export never do"):
        Recognizer.load(path)


def test_case_f16_a_graph_that_computes_on(files, tmp_path):
    loop, constants = turns(2**40)
    path = grown(files["onnx"], tmp_path / "m.onnx", loop, constants=constants)
    done = speech_rnn("transcribe", "--model", path, "clip.wav", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: model='{path}' has ")
    assert len(done.stderr.splitlines()) == 1
    function = helper.make_function(
        "mine", "Relu", ["x"], ["y"], [helper.make_node("Abs", ["x"], ["y"])], []
    )
    path = grown(files["onnx"], tmp_path / "m.onnx", functions=[function])
    with pytest.raises(ModelError, match="defines functions of its own"):
        Recognizer.load(path)


def test_case_f16_weights_in_another_file(files, tmp_path):
    model = onnx.load(files["onnx"])
    path = tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights", size_threshold=0)
    with pytest.raises(ModelError, match="keeps its weights in another file"):
        Recognizer.load(path)


def test_case_f16_a_graph_that_fails_as_it_runs(files, tmp_path):
    node = helper.make_node("Reshape", ["waveform", "sizes"], ["odd"])
    of = helper.make_tensor_value_info("odd", TensorProto.FLOAT, ["x"])
    sizes = numpy_helper.from_array(np.array([7, 11], np.int64), "sizes")
    model = onnx.load(grown(files["onnx"], tmp_path / "m.onnx", node, constants=[sizes]))
    for each in model.graph.node:  # what reads the waveform reads it in another shape
        if each.name != node.name:
            each.input[:] = ["odd" if name == "waveform" else name for name in each.input]
    model.graph.value_info.append(of)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="fails as it runs"):
        Recognizer.load(tmp_path / "m.onnx")


def test_the_operators_that_are_known_do_not_loop():
    assert not {"Loop", "Scan", "If", "Tile", "ConstantOfShape", "RandomNormal"} & OPERATORS
    assert "Loop" not in MICROSOFT


@pytest.mark.parametrize("save_again", [False, True])
def test_a_file_warns_if_this_machine_computes_other_logits(files, save_again, tmp_path):
    def elsewhere(description):
        logits = np.frombuffer(b64decode(description["probe"]["logits"]), "<f4") + 0.6
        description["probe"]["logits"] = b64encode(logits.astype("<f4").tobytes()).decode()

    path = described(files["onnx"], tmp_path / "m.onnx", elsewhere)
    with pytest.warns(ModelWarning, match=r"something else on this processor.*off by 0\.6;"):
        recognizer = Recognizer.load(path)
    if save_again:
        recognizer.save(path)
        with pytest.warns(ModelWarning, match="something else"):
            Recognizer.load(path)


@pytest.mark.filterwarnings("error")
def test_a_file_without_a_probe_is_taken_as_it_is(files, tmp_path):
    assert "probe" in json.loads(onnx.load(files["onnx"]).metadata_props[0].value)
    Recognizer.load(files["onnx"])
    Recognizer.load(
        described(files["onnx"], tmp_path / "m.onnx", lambda description: description.pop("probe"))
    )


@pytest.mark.parametrize("probe", [3, {"samples": "x", "logits": "x"}, {"samples": "AAAA"}])
def test_case_f15_an_invalid_probe(files, probe, tmp_path):
    path = described(files["onnx"], tmp_path / "m.onnx", partial(put, "probe", probe))
    with pytest.raises(ModelError, match="cannot compute"):
        Recognizer.load(path)
