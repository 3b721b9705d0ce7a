"""The package's own front, exported: over clips, as a stream, in eight bits."""

from functools import cache

import numpy as np
import pytest
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from speech_rnn.config.app import CONF
from speech_rnn.exporting import export_onnx
from tests.exporting.test_onnx_export import build, check_clips, check_stream
from tests.listeners import RATE, scene
from tests.onnx_runs import Runs

SAID = ["low", "high", "high", "middle", "low"]
MODELS = {
    "carried": {},
    "clips": {"head": "classification", "pooling": "attention", "bidirectional": True},
    "last": {"head": "classification", "pooling": "last", "cell": "lstm"},
    "stacked": {"stack": 2, "convolutions": [{"channels": 2, "kernel": 3, "stride": 2}]},
    "chunks": {"bidirectional": True, "chunk": 2, "look_ahead": 3, "n_layers": 2},
}
STREAMS = [name for name in MODELS if name != "clips"]


@cache
def exported(name, streaming, int8=False):
    features = instantiate(OmegaConf.load(CONF / "features" / "log_mel_encoder.yaml"))
    given = {"head": "ctc", "bidirectional": False, "n_layers": 1}
    recognizer = build(features, front="embedding", **given | MODELS[name])
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


def test_a_stream_of_pytorch_equals_its_batch():
    recognizer, _ = exported("carried", True)
    sound = scene(SAID[:3], seed=2)[0]
    whole, _ = recognizer.engine.logits(sound[None], np.array([len(sound)]))
    stream = recognizer.engine.stream()
    pieces = [stream.push(piece) for piece in np.array_split(sound, 37)] + [stream.flush()]
    np.testing.assert_allclose(np.concatenate(pieces), whole[0], atol=1e-4)


def test_each_frame_of_a_stream_is_embedded_once():
    _, runs = exported("carried", True)
    stream = runs.graph.stream
    assert stream.block_samples == 4 * 160
    assert stream.first_samples == 19 * 160 + 200  # 4 frames, 16 after them, half a window
    sound = np.random.default_rng(0).standard_normal(5 * RATE).astype(np.float32)
    assert len(runs.push(sound[: stream.first_samples - 1])) == 0
    kept = set()
    for first in range(stream.first_samples - 1, len(sound) - 640, 640):
        assert len(runs.push(sound[first : first + 640])) == 1
        kept.add(sum(state.size for state in runs.states.values()))
    assert len(kept) == 1
    runs.begin()


@pytest.mark.parametrize("streaming", [False, True])
def test_int8_says_nearly_the_same_in_a_third_of_the_size(streaming):
    _, large = exported("carried", streaming)
    _, small = exported("carried", streaming, int8=True)
    assert 3 * len(small.content) < len(large.content)
    assert len(small.content) < 700_000
    sound = scene(SAID[:2], seed=9)[0]
    logits = [
        np.concatenate([runs.push(sound), runs.flush()])
        if streaming
        else runs.whole(sound[None], [len(sound)])[0][0]
        for runs in (large, small)
    ]
    error, spread = np.square(logits[0] - logits[1]).mean(), logits[0].var()
    assert 10 * np.log10(spread / error) > 15  # dB
