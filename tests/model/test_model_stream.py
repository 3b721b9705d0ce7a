"""A stream of the model equals its batch, however it is cut."""

import pytest
import torch
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.config.app import compose
from speech_rnn.errors import ConfigurationError
from tests.model.test_model import CELLS, CONVOLUTIONS, build, draw

AHEAD = {"bidirectional": True, "chunk": 3, "look_ahead": 4}
STRIDES = [{"channels": 2, "kernel": 2, "stride": 5}, {"channels": 3, "kernel": 4}]
VARIANTS = {
    "rnn": {"cell": "rnn_tanh"},
    "relu": {"cell": "rnn_relu", "stack": 2, "input_normalization": False},
    "gru": {"cell": "gru", "stack": 3},
    "lstm": {"cell": "lstm", "n_layers": 3},
    "convolutions": {"convolutions": CONVOLUTIONS, "stack": 2},
    "causal": {"convolutions": CONVOLUTIONS, "causal": True},
    "strides": {"convolutions": STRIDES, "cell": "lstm"},
    "chunks of a gru": AHEAD,
    "chunks of an lstm": AHEAD | {"cell": "lstm", "stack": 2, "convolutions": CONVOLUTIONS},
    "chunks of an rnn": AHEAD | {"cell": "rnn_tanh", "look_ahead": 0, "n_layers": 1},
    "causal chunks": AHEAD | {"look_ahead": 1, "convolutions": CONVOLUTIONS, "causal": True},
}
variants = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
heads = pytest.mark.parametrize("head", ["classification", "ctc"])


def streaming(variant, head="ctc"):
    return build(**{"bidirectional": False, "pooling": "last", "head": head} | variant).eval()


def pieces(stream, frames, sizes):
    """What comes out for pieces of `sizes` and the rest, piece for piece."""
    first, found = 0, []
    for size in sizes:
        found.append(stream.push(frames[:, first : first + size]))
        first += size
    return [*found, stream.push(frames[:, first:]), stream.flush()]


@heads
@variants
@settings(max_examples=12)
@given(
    n_frames=st.integers(0, 60),
    sizes=st.lists(st.integers(0, 20), max_size=12),
    n_clips=st.integers(1, 3),
)
def test_a_stream_equals_its_batch(variant, head, n_frames, sizes, n_clips):
    model = streaming(variant, head)
    frames, lengths = draw([n_frames] * n_clips)
    with torch.no_grad():
        expected, _ = model.step_logits(frames, lengths)
    stream = model.stream(n_clips)
    for _ in range(2):  # the second time: a flush leaves nothing behind
        found = torch.cat(pieces(stream, frames, sizes), dim=1)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@variants
def test_the_promised_latency_is_the_longest_wait(variant):
    model = streaming(variant)
    frames, _ = draw([90])
    stream = model.stream()
    given, waits = 0, []
    for n_frames in range(1, 91):
        for _ in range(stream.push(frames[:, n_frames - 1 : n_frames]).shape[1]):
            given += 1
            waits.append(n_frames - given * model.subsampling)
    assert max(0, *waits) == model.latency_frames


@pytest.mark.parametrize(
    ("name", "head", "latency_frames"),
    [("gru_ctc_causal", "ctc", 0), ("gru_ctc_chunks", "ctc", 30), ("gru_last_causal", None, 0)],
)
def test_configurations_that_stream(name, head, latency_frames):
    given = {"head": head} if head else {}
    model = instantiate(compose("train", [f"model={name}"]).model, 26, 11, **given)
    assert model.can_stream
    assert model.latency_frames == latency_frames


def test_models_that_need_the_whole_clip_have_no_latency():
    assert build(head="ctc").latency_frames is None


@pytest.mark.parametrize("cell", CELLS)
def test_a_step_of_a_classifier_is_the_answer_to_the_clip_so_far(cell):
    model = streaming({"cell": cell, "stack": 2}, "classification")
    frames, _ = draw([11])
    steps = torch.cat(pieces(model.stream(), frames, [4, 1, 5]), dim=1)
    with torch.no_grad():
        for n_frames in (2, 4, 8, 10, 11):
            answer, _ = model(frames[:, :n_frames], torch.tensor([n_frames]))
            step = -(-n_frames // 2) - 1
            torch.testing.assert_close(steps[:, step], answer[:, 0], atol=1e-5, rtol=1e-5)


def test_a_chunked_classifier_answers_at_the_end_of_the_clip():
    model = streaming(AHEAD, "classification")
    for length in (7, 9):
        frames, lengths = draw([length])
        answer, _ = model(frames, lengths)
        steps, _ = model.step_logits(frames, lengths)
        torch.testing.assert_close(answer[:, 0], steps[:, -1])


def test_a_ctc_model_scores_steps_anyway():
    model = streaming({})
    batch = draw([9, 4])
    assert torch.equal(model.step_logits(*batch)[0], model(*batch)[0])


@variants
def test_memory_is_constant(variant):
    stream = streaming(variant).stream()
    frames, _ = draw([60])

    def kept():
        """Numbers in all that the stream and its parts hold."""
        seen, total, waiting = set(), 0, [vars(stream)]
        while waiting:
            value = waiting.pop()
            if id(value) in seen or isinstance(value, torch.nn.Module):
                continue
            seen.add(id(value))
            if isinstance(value, torch.Tensor):
                total += value.untyped_storage().nbytes()
            elif isinstance(value, dict):
                waiting += value.values()
            elif isinstance(value, (list, tuple)):
                waiting += value
            elif type(value).__module__ == "speech_rnn.model.stream":
                waiting.append(vars(value))
        return total

    sizes = []
    for _ in range(12):
        stream.push(frames)
        sizes.append(kept())
    assert sizes[1] > 0
    assert max(sizes[6:]) <= max(sizes[:6])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"bidirectional": True}, "bidirectional=True reads each clip backwards"),
        ({"pooling": "attention"}, "pooling='attention' weighs the steps of a whole clip"),
        ({"pooling": "mean"}, "train with pooling='last'"),
    ],
)
def test_features_that_need_the_whole_clip_say_so(parameters, message):
    model = streaming(parameters, "classification")
    assert not model.can_stream
    with pytest.raises(ConfigurationError, match=message):
        model.stream()
    if "pooling" in parameters:
        with pytest.raises(ConfigurationError, match=message):
            model.step_logits(*draw([4]))


def test_a_stream_is_used_as_it_says():
    model = streaming({})
    assert model.can_stream
    with pytest.raises(ConfigurationError, match=r"shape=\(1, 4, 3\) must be .*n_features=5"):
        model.stream().push(torch.zeros(1, 4, 3))
    with pytest.raises(ConfigurationError, match="batch_size=0 must be at least 1"):
        model.stream(0)
    with pytest.raises(ConfigurationError, match=r"call its eval\(\) first"):
        model.train().stream()
