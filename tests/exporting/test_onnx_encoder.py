"""The package's own front, exported: over clips, as a stream, in eight bits."""

from functools import cache

import numpy as np
import pytest

from tests.exporting import fronts
from tests.exporting.fronts import SAID, decibels_of_rounding, draws_of_clips, draws_of_streams
from tests.exporting.test_onnx_export import build, check_clips, check_stream
from tests.listeners import RATE, scene

MODELS = {
    **fronts.STREAMED,
    "clips": {"head": "classification", "pooling": "attention", "bidirectional": True},
}


@cache
def exported(name, streaming, int8=False):
    given = {"head": "ctc", "bidirectional": False, "n_layers": 1}
    recognizer = build(
        fronts.features("log_mel_encoder"), front="embedding", **given | MODELS[name]
    )
    return fronts.exported(recognizer, streaming, int8)


@pytest.mark.parametrize("name", MODELS)
@draws_of_clips
def test_clips(name, lengths, extra, seed):
    check_clips(*exported(name, False), lengths, max(lengths) + extra, seed)


@pytest.mark.parametrize("name", fronts.STREAMED)
@draws_of_streams
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
def test_int8_gives_nearly_the_same_answers_in_a_third_of_the_size(streaming):
    _, large = exported("carried", streaming)
    _, small = exported("carried", streaming, int8=True)
    assert 3 * len(small.content) < len(large.content)
    assert len(small.content) < 700_000
    assert decibels_of_rounding(large, small, streaming) > 15
