"""The front that others have trained, exported: over clips, as a stream, listening for words."""

from functools import cache

import numpy as np
import onnx
import pytest

from speech_rnn.errors import ConfigurationError
from speech_rnn.exporting import export_onnx
from speech_rnn.model.pretrained import speech_embedding
from tests.exporting import fronts
from tests.exporting.fronts import decibels_of_rounding, draws_of_clips, draws_of_streams
from tests.exporting.test_onnx_export import build, check_clips, check_stream
from tests.listeners import RATE

MODELS = {**fronts.STREAMED, "levelled": {"levels_clips": True}}


@cache
def exported(name, streaming, int8=False):
    given = {"head": "ctc", "levels_clips": False, "bidirectional": False, "n_layers": 1}
    recognizer = build(
        fronts.features("log_mel_embedding"), front="speech_embedding", **given | MODELS[name]
    )
    recognizer.model.front.load(speech_embedding().weights)
    return fronts.exported(recognizer, streaming, int8)


@pytest.mark.parametrize("name", MODELS)
@draws_of_clips
def test_clips(name, lengths, extra, seed):
    check_clips(*exported(name, False), lengths, max(lengths) + extra, seed)


@pytest.mark.parametrize("name", fronts.STREAMED)
@draws_of_streams
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
    assert 2.9 * len(small.content) < len(large.content)
    assert len(small.content) < 1_000_000
    nodes = onnx.load_from_string(small.content).graph.node
    rounded = {node.output[0] for node in nodes if node.op_type == "DequantizeLinear"}
    convolutions = [node for node in nodes if node.op_type == "Conv" and "model" in node.name]
    whole = [node for node in convolutions if rounded.issuperset(node.input)]
    assert len(convolutions) == 20
    assert len(whole) == 19  # the first has too few weights to be worth it
    assert decibels_of_rounding(large, small, streaming) > 8


def test_convolutions_of_whole_numbers_need_clips():
    recognizer, _ = exported("carried", False)
    with pytest.raises(ConfigurationError, match="convolutions need clips"):
        export_onnx(recognizer, int8=True)
