"""An exported graph says what the Recognizer says: over batches of mixed length and as a stream."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from speech_rnn.exporting import export_onnx
from speech_rnn.features import MFCC, LogMel
from speech_rnn.model import AcousticModel
from speech_rnn.model.layers import MaskedBatchNorm
from speech_rnn.recognizer import Recognizer
from speech_rnn.vocabulary import Vocabulary
from tests.onnx_runs import Runs
from tests.test_features import STREAMS, WHOLE, small
from tests.test_model import VARIANTS
from tests.test_streaming import step_logits

WORDS = ["no", "right", "yes"]
CAUSAL = {"pooling": "last", "bidirectional": False, "convolutions": [{"channels": 2, "kernel": 4}]}
CHUNKS = {"head": "ctc", "chunk": 2, "look_ahead": 3, "n_layers": 2}


def build(features, **parameters):
    """A recogniser whose weights and statistics are drawn at random."""
    torch.manual_seed(0)
    head = parameters.get("head", "classification")
    vocabulary = Vocabulary.of(WORDS, "words" if head == "ctc" else "classes")
    defaults = {"hidden_size": 6, "dense": 7}
    settings = {**defaults, **parameters}
    model = AcousticModel(features.n_features, len(vocabulary), **settings)
    for module in model.modules():
        if isinstance(module, MaskedBatchNorm):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)
        elif isinstance(module, nn.RNNBase):
            for name, weight in module.named_parameters():
                if name.startswith("bias"):
                    nn.init.uniform_(weight, -0.5, 0.5)
    return Recognizer(features, model, vocabulary)


def draw(lengths, n_samples, seed):
    """Clips of noise, of silence if the seed says so, and what is no number after them."""
    waveform = torch.full((len(lengths), n_samples), math.nan)
    for row, length in zip(waveform, lengths, strict=True):
        row[:length] = 0.3 * torch.randn(length, generator=torch.manual_seed(seed)) * (seed % 4 > 0)
    return waveform, torch.tensor(lengths)


def check_clips(recognizer, runs, lengths, n_samples, seed):
    waveform, lengths = draw(lengths, n_samples, seed)
    expected, steps = recognizer.logits(waveform, lengths)
    logits, found = runs.whole(waveform, lengths)
    assert found.tolist() == steps.tolist()
    assert logits.shape == tuple(expected.shape)
    for row, count in enumerate(found):
        np.testing.assert_allclose(logits[row, :count], expected[row, :count], atol=1e-4)


def check_stream(recognizer, runs, n_samples, sizes, seed):
    waveform = draw([n_samples], n_samples, seed)[0][0].numpy()
    padded = np.pad(waveform, (0, max(0, recognizer.features.win_length - n_samples)))
    pieces, first = [], 0
    while first < n_samples:
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(runs.push(waveform[first : first + size]))
        first += size
    found = np.concatenate([*pieces, runs.flush()])
    expected = step_logits(recognizer, padded)
    assert found.shape == tuple(expected.shape)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@cache
def exported(kind, name, streaming):
    features = small(name) if kind == "features" else small("deltas")
    variant = {} if kind == "features" else VARIANTS[name]
    if kind == "features" and streaming:
        variant = CAUSAL
    recognizer = build(features, **variant)
    return recognizer, Runs(export_onnx(recognizer, streaming=streaming))


clips = given(
    lengths=st.lists(st.integers(1, 400), min_size=1, max_size=5),
    extra=st.integers(0, 60),
    seed=st.integers(0, 100),
)
streams = given(
    n_samples=st.integers(1, 600),
    sizes=st.lists(st.integers(1, 200), min_size=1, max_size=4),
    seed=st.integers(0, 100),
)


@pytest.mark.parametrize("name", [*STREAMS, *WHOLE])
@settings(max_examples=8)
@clips
def test_features_of_clips(name, lengths, extra, seed):
    check_clips(*exported("features", name, False), lengths, max(lengths) + extra, seed)


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=15)
@streams
def test_features_of_a_stream(name, n_samples, sizes, seed):
    check_stream(*exported("features", name, True), n_samples, sizes, seed)


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "ctc, chunks"])
@settings(max_examples=8)
@clips
def test_models_of_clips(name, lengths, extra, seed):
    check_clips(*exported("models", name, False), lengths, max(lengths) + extra, seed)
