"""Multiply-adds, against torch's counter and by hand."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from speech_rnn.evaluation.cost import cost_of
from speech_rnn.features import MFCC
from speech_rnn.model import AcousticModel
from speech_rnn.model.complexity import multiply_adds
from speech_rnn.recognizer import Recognizer
from speech_rnn.vocabulary import Vocabulary


def test_by_hand():
    model = AcousticModel(10, 3, hidden_size=8, n_layers=1, pooling="last", dense=[4], stack=2)
    # 5 steps of 20 features into 3 gates of 8 units, in both directions; then 16 -> 4 -> 3.
    assert multiply_adds(model, 9) == 5 * 2 * 3 * 8 * (20 + 8) + 16 * 4 + 4 * 3


def test_a_look_ahead_is_read_twice():
    settings = {"hidden_size": 8, "n_layers": 2, "head": "ctc", "dense": None}
    model = AcousticModel(10, 3, chunk=4, look_ahead=2, **settings)
    # Two chunks of 4 for 7 steps. First layer: 12 steps forward and 12 backward, which read the
    # input of 10 steps; last layer: 8 and 12.
    first = 3 * 8 * (12 * (10 + 8) + 10 * 10 + 12 * 8)
    assert multiply_adds(model, 7) == first + 20 * 3 * 8 * (16 + 8) + 7 * 16 * 3


@pytest.mark.parametrize("head", ["classification", "ctc"])
def test_it_is_what_torch_counts(head):
    settings = {"hidden_size": 64, "n_heads": 2, "query": "middle", "dense": 16, "head": head}
    convolutions = [{"channels": 4, "kernel": 5}, {"channels": 1, "kernel": 3, "stride": 2}]
    model = AcousticModel(20, 5, convolutions=convolutions, n_layers=2, **settings).eval()
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        model(torch.randn(1, 50, 20), torch.tensor([50]))
    assert multiply_adds(model, 50) == pytest.approx(counter.get_total_flops() // 2, rel=0.02)


@pytest.mark.parametrize(("front", "n_features"), [("speech_embedding", 32), ("whisper_tiny", 80)])
def test_a_front_is_counted(front, n_features):
    model = AcousticModel(n_features, 5, front=front, n_layers=1, hidden_size=64).eval()
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter, torch.inference_mode():  # others are not counted
        model(torch.randn(1, 50, n_features), torch.tensor([50]))
    assert multiply_adds(model, 50) == pytest.approx(counter.get_total_flops() // 2, rel=0.02)


def test_a_recognizer_is_counted_and_timed_on_one_thread(monkeypatch):
    model = AcousticModel(40, 3, hidden_size=8, n_layers=1, dense=None)
    recognizer = Recognizer.from_modules(MFCC(), model, Vocabulary.of(["a", "b", "c"], "classes"))
    threads, transcribe = [], Recognizer.transcribe
    monkeypatch.setattr(
        Recognizer,
        "transcribe",
        lambda *given: (threads.append(torch.get_num_threads()), transcribe(*given))[1],
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        cost = cost_of(recognizer, 1234)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(threads) == {1}
    assert cost.n_parameters == model.n_parameters
    assert cost.multiply_adds_per_second == multiply_adds(model, 100)
    assert cost.file_bytes == 1234
    assert cost.real_time_factor > 0
    assert cost.processor
    assert cost.n_cores >= 1
