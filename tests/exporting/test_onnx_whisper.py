"""Whisper's encoder, exported: clips of any length, in a file of the engine, in eight bits."""

import numpy as np
import onnx
import pytest
from hydra.utils import instantiate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from speech_rnn import Recognizer
from speech_rnn.config.app import CONF
from speech_rnn.errors import ConfigurationError
from speech_rnn.exporting import export_onnx
from speech_rnn.model.whisper import MOST_FRAMES, SIZES, Size
from speech_rnn.model.whisper_weights import whisper
from tests.exporting.test_onnx_export import build, check_clips
from tests.listeners import RATE, scene
from tests.model.test_whisper import needs_weights
from tests.onnx_runs import Runs

MODELS = {
    "classes": {},
    "levels": {"levels_clips": False, "cell": "lstm"},
    "sequences": {"head": "ctc", "stack": 2},
}


def recognizer(**changes):
    features = instantiate(OmegaConf.load(CONF / "features" / "log_mel_whisper.yaml"))
    given = {"front": "whisper_tiny", "n_layers": 1, "pooling": "attention"}
    return build(features, **given | changes)


@pytest.fixture(scope="module")
def exported():
    """Each model, with a smaller network of random weights, as a recogniser and as a graph."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "whisper_tiny", Size(128, 2))
        found = {name: recognizer(**changes) for name, changes in MODELS.items()}
    return {name: (each, Runs(export_onnx(each))) for name, each in found.items()}


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(1, 40_000), min_size=1, max_size=3),
    extra=st.integers(0, 3000),
    seed=st.integers(0, 100),
)
def test_clips(exported, name, lengths, extra, seed):
    check_clips(*exported[name], lengths, max(lengths) + extra, seed)


def test_a_file_processes_at_most_thirty_seconds(exported, tmp_path):
    _, runs = exported["classes"]
    (tmp_path / "model.onnx").write_bytes(runs.content)
    heard = Recognizer.load(tmp_path / "model.onnx")
    longest = 160 * MOST_FRAMES - 1
    heard.logits(np.zeros((1, longest), np.float32), [longest])
    with pytest.raises(ConfigurationError, match=r"a clip of 29\.5 s is too long for .*cut it"):
        heard.logits(np.zeros((1, longest + 1), np.float32), [longest + 1])


def test_it_does_not_stream(exported):
    whole, _ = exported["sequences"]
    assert not whole.can_stream
    with pytest.raises(ConfigurationError, match="front='whisper_tiny' needs the whole clip"):
        export_onnx(whole, streaming=True)


@needs_weights
@pytest.mark.slow
def test_published_weights_in_eight_bits_say_nearly_the_same():
    whole = recognizer()
    whole.model.front.load(whisper().weights)
    large, small = (Runs(export_onnx(whole, int8=int8)) for int8 in (False, True))
    assert 3 * len(small.content) < len(large.content)
    for seed in range(3):
        sound = scene(["low", "high"], seed=seed)[0][: 2 * RATE]
        check_clips(whole, large, [len(sound)], len(sound), seed)
        exact, rounded = (runs.whole(sound[None], [len(sound)])[0] for runs in (large, small))
        error, spread = np.square(exact - rounded).mean(), exact.var()
        assert 10 * np.log10(spread / error) > 15  # dB
    nodes = onnx.load_from_string(small.content).graph.node
    products = [node.op_type for node in nodes if "MatMul" in node.op_type]
    assert products.count("MatMulInteger") == 2 + 4 * 4  # two convolutions, four in each layer
