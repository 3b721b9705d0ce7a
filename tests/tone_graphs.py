"""ONNX files that know the tones by sinusoids of their pitch: exact, and nothing is trained."""

import json

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from speech_rnn.engines.onnx_format import (
    END,
    LENGTHS,
    LOGITS,
    METADATA_KEY,
    STEPS,
    WAVEFORM,
    GraphDescription,
    StateDescription,
    StreamDescription,
)
from tests.tones import TONES_HZ

RATE, HOP = 16_000, 160
STREAM = StreamDescription(
    first_samples=HOP,
    first_blocks=1,
    block_samples=HOP,
    block_steps=1,
    win_length=HOP,
    reach=1,
    hop_length=HOP,
    subsampling=1,
    states=(StateDescription("heard", (1,), "int64"),),
)


def description(kind="offline", **changes):
    """What the metadata of such a file says."""
    stream = STREAM if kind == "streaming" else None
    graph = GraphDescription(kind, "float", 17, RATE, HOP / RATE, HOP, stream)
    return {
        "version": 1,
        "features": {"class": "tones"},
        "model": {"head": "ctc"},
        "vocabulary": {"tokens": ["_blank_", *TONES_HZ], "unit": "words"},
        "decoding": {"token_bonus": 0.0},
        "calibration": {},
        "spotting": None,
        "provenance": {"made": "by hand"},
        "onnx": graph.to_dict() | changes,
    }


def write_tone_graph(path, kind="offline", described=None, operator="Transpose", domain=""):
    """Write a file of either kind; the operator that ends it may be one that nobody has."""
    time = np.arange(HOP // 2) / RATE  # short ones: a pitch may be off by a twentieth
    waves = [f(2 * np.pi * hz * time) for hz in TONES_HZ.values() for f in (np.cos, np.sin)]
    constants = {
        "waves": np.pad(waves, ((0, 0), (0, HOP // 2)))[:, None],  # (6, 1, HOP)
        "sums": np.concatenate([np.zeros((1, 6)), np.repeat(np.eye(3), 2, axis=1)])[..., None],
        "floor": np.array([1.0, 1e-3, 1e-3, 1e-3]),
        "gain": np.array(3.0),
    }
    end = {"name": "end", "domain": domain} | ({"perm": [0, 2, 1]} if not domain else {})
    nodes = [
        helper.make_node("Unsqueeze", ["samples", "one"], ["channel"]),
        helper.make_node("Conv", ["channel", "waves"], ["parts"], strides=[HOP]),
        helper.make_node("Mul", ["parts", "parts"], ["powers"]),
        helper.make_node("Conv", ["powers", "sums", "floor"], ["power"]),
        helper.make_node("Log", ["power"], ["level"]),
        helper.make_node("Mul", ["level", "gain"], ["scores"]),
        helper.make_node(operator, ["scores"], [LOGITS], **end),
    ]
    integers = {"one": [1]}
    of = helper.make_tensor_value_info
    inputs, outputs = [of(WAVEFORM, TensorProto.FLOAT, ["B", "N"])], []
    if kind == "offline":
        integers |= {"pads": [0, 0, 0, HOP - 1], "hop": [HOP], "rest": [HOP - 1]}
        nodes = [
            helper.make_node("Pad", [WAVEFORM, "pads"], ["samples"]),
            helper.make_node("Add", [LENGTHS, "rest"], ["filled"]),
            helper.make_node("Div", ["filled", "hop"], [STEPS]),
            *nodes,
        ]
        inputs.append(of(LENGTHS, TensorProto.INT64, ["B"]))
        outputs.append(of(STEPS, TensorProto.INT64, ["B"]))
    else:
        nodes = [
            helper.make_node("Identity", [WAVEFORM], ["samples"]),
            helper.make_node("Shape", [WAVEFORM], ["size"], start=1),
            helper.make_node("Add", ["state_heard", "size"], ["next_heard"]),
            *nodes,
        ]
        inputs += [of(name, TensorProto.INT64, [1]) for name in (END, "state_heard")]
        outputs.append(of("next_heard", TensorProto.INT64, [1]))
    graph = helper.make_graph(
        nodes,
        "tones",
        inputs,
        [of(LOGITS, TensorProto.FLOAT, ["B", "T", 4]), *outputs],
        [numpy_helper.from_array(np.float32(value), name) for name, value in constants.items()]
        + [numpy_helper.from_array(np.int64(value), name) for name, value in integers.items()],
    )
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    if not domain and operator == "Transpose":
        checker.check_model(model, full_check=True)
    described = description(kind) if described is None else described
    helper.set_model_props(model, {METADATA_KEY: json.dumps(described)} if described else {})
    path.write_bytes(model.SerializeToString())
    return path
