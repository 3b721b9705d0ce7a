"""The front that others have trained, exported: over clips, as a stream, listening for words."""

from functools import cache

import numpy as np
import onnx
import pytest
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from speech_rnn.config.app import CONF
from speech_rnn.errors import ConfigurationError
from speech_rnn.exporting import export_onnx
from speech_rnn.model.pretrained import speech_embedding
from tests.exporting.test_onnx_export import build, check_clips, check_stream
from tests.listeners import RATE, scene
from tests.onnx_runs import Runs

SAID = ["low", "high", "high", "middle", "low"]
MODELS = {
    "carried": {},
    "levelled": {"levels_clips": True},
    "last": {"head": "classification", "pooling": "last", "cell": "lstm"},
    "stacked": {"stack": 2, "convolutions": [{"channels": 2, "kernel": 3, "stride": 2}]},
    "chunks": {"bidirectional": True, "chunk": 2, "look_ahead": 3, "n_layers": 2},
}
STREAMS = [name for name in MODELS if name != "levelled"]


def log_mel():
    """The features that the front was taught."""
    return instantiate(OmegaConf.load(CONF / "features" / "log_mel_embedding.yaml"))


@cache
def exported(name, streaming, int8=False):
    given = {"head": "ctc", "levels_clips": False, "bidirectional": False, "n_layers": 1}
    recognizer = build(log_mel(), front="speech_embedding", **given | MODELS[name])
    recognizer.model.front.load(speech_embedding().weights)
    shown = [scene(SAID[:2], seed=seed)[0] for seed in range(4)]
    return recognizer, Runs(
        export_onnx(recognizer, streaming=streaming, int8=int8, clips=shown if int8 else ())
    )


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=6)
@given(
    lengths=st.lists(st.integers(1, 24_000), min_size=1, max_size=3),
    extra=st.integers(0, 3000),
    seed=st.integers(0, 100),
)
def test_clips(name, lengths, extra, seed):
    check_clips(*exported(name, False), lengths, max(lengths) + extra, seed)


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=10)
@given(
    n_samples=st.integers(1, 40_000),
    sizes=st.lists(st.integers(100, 12_000), min_size=1, max_size=4),
    seed=st.integers(0, 100),
)
def test_a_stream(name, n_samples, sizes, seed):
    check_stream(*exported(name, True), n_samples, sizes, seed)


def test_each_frame_of_a_stream_is_embedded_once():
    _, runs = exported("carried", True)
    stream = runs.graph.stream
    assert stream.block_samples == 8 * 160
    assert stream.first_samples == 42 * 160 + 40  # 8 frames, 34 after them, half a window
    sound = np.random.default_rng(0).standard_normal(10 * RATE).astype(np.float32)
    assert len(runs.push(sound[: stream.first_samples - 1])) == 0
    kept = set()
    for first in range(stream.first_samples - 1, len(sound) - 1280, 1280):
        assert len(runs.push(sound[first : first + 1280])) == 1
        front = [state for name, state in runs.states.items() if "front" in name]
        assert {state.shape[2] for state in front} == {2}
        kept.add(sum(state.size for state in runs.states.values()))
    assert len(kept) == 1
    runs.begin()


@pytest.mark.parametrize("streaming", [False, True])
def test_int8_takes_less_than_a_megabyte_and_convolves_whole_numbers(streaming):
    _, large = exported("carried", streaming)
    _, small = exported("carried", streaming, int8=True)
    assert 3 * len(small.content) < len(large.content)
    assert len(small.content) < 1_000_000
    nodes = onnx.load_from_string(small.content).graph.node
    rounded = {node.output[0] for node in nodes if node.op_type == "DequantizeLinear"}
    convolutions = [node for node in nodes if node.op_type == "Conv" and "model" in node.name]
    whole = [node for node in convolutions if rounded.issuperset(node.input)]
    assert len(convolutions) == 20
    assert len(whole) == 19  # the first has too few weights to be worth it
    sound = scene(SAID[:2], seed=9)[0]
    logits = [
        np.concatenate([runs.push(sound), runs.flush()])
        if streaming
        else runs.whole(sound[None], [len(sound)])[0][0]
        for runs in (large, small)
    ]
    error, spread = np.square(logits[0] - logits[1]).mean(), logits[0].var()
    assert 10 * np.log10(spread / error) > 8  # dB


def test_convolutions_of_whole_numbers_need_clips():
    recognizer, _ = exported("carried", False)
    with pytest.raises(ConfigurationError, match="convolutions need clips"):
        export_onnx(recognizer, int8=True)
