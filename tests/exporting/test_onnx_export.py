"""An exported graph says what the Recognizer says: over batches of mixed length and as a stream."""

import json
import math
from functools import cache

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from speech_rnn.audio import load_audio
from speech_rnn.config.app import CONF
from speech_rnn.decoding.confidence import log_softmax
from speech_rnn.errors import ConfigurationError
from speech_rnn.exporting import export_onnx
from speech_rnn.features import MFCC
from speech_rnn.model import AcousticModel
from speech_rnn.model.layers import MaskedBatchNorm
from speech_rnn.recognizer import Recognizer
from speech_rnn.vocabulary import Vocabulary
from tests.features.test_features import STREAMS, WHOLE, small
from tests.model.test_model import VARIANTS
from tests.onnx_runs import Runs
from tests.real import SHARED, needs_shared
from tests.streaming.test_streaming import step_logits
from tests.tones import tone

WORDS = ["no", "right", "yes"]
CAUSAL = {"pooling": "last", "bidirectional": False, "convolutions": [{"channels": 2, "kernel": 4}]}


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
    return Recognizer.from_modules(features, model, vocabulary)


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
    check_sound(recognizer, runs, draw([n_samples], n_samples, seed)[0][0].numpy(), sizes)


def check_sound(recognizer, runs, waveform, sizes):
    n_samples = len(waveform)
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


@pytest.mark.slow
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


MOVING = {
    "rnn, one layer": {
        "cell": "rnn_relu",
        "n_layers": 1,
        "bidirectional": False,
        "pooling": "last",
    },
    "gru, centred convolutions": {
        "head": "ctc",
        "bidirectional": False,
        "convolutions": [{"channels": 2, "kernel": 5}, {"channels": 3, "kernel": 2, "stride": 3}],
        "stack": 2,
    },
    "gru, stride above kernel": {
        "head": "ctc",
        "bidirectional": False,
        "convolutions": [{"channels": 2, "kernel": 1, "stride": 3}],
    },
    "lstm, stack": {"head": "ctc", "cell": "lstm", "bidirectional": False, "stack": 3},
    "chunks": {"head": "ctc", "chunk": 3, "look_ahead": 4, "n_layers": 3, "stack": 2},
    "chunks without look-ahead": {"head": "ctc", "chunk": 4, "cell": "rnn_tanh"},
    "chunks of a classifier": {"pooling": "last", "chunk": 2, "look_ahead": 5, "n_layers": 1},
    "chunks, causal convolutions": {
        "head": "ctc",
        "chunk": 2,
        "look_ahead": 3,
        "convolutions": [{"channels": 2, "kernel": 4, "stride": 2}],
        "causal": True,
    },
}


ON_FRONTS = {
    "gru_on_front": ["embedding", "speech_embedding", "whisper_tiny"],
    "gru_on_front_stream": ["embedding", "speech_embedding"],
    "gru_on_front_stream_large": ["speech_embedding"],
}
ARCHITECTURES = [
    (path.stem, front)
    for path in sorted((CONF / "model").glob("*"))
    for front in ON_FRONTS.get(path.stem, ["none"])
]
MOVES = {"crnn", "gru_on_front_stream", "gru_ctc_causal", "gru_ctc_chunks", "gru_last_causal"}


@cache
def moving(name, int8=False):
    recognizer = build(small("one delta"), **MOVING[name])
    return recognizer, Runs(export_onnx(recognizer, streaming=True, int8=int8))


@pytest.mark.parametrize("name", MOVING)
@settings(max_examples=15)
@streams
def test_models_of_a_stream(name, n_samples, sizes, seed):
    check_stream(*moving(name), n_samples, sizes, seed)


@pytest.mark.parametrize("name", [name for name in MOVING if "chunks" in name])
def test_chunks_of_clips(name):
    recognizer, _ = moving(name)
    runs = Runs(export_onnx(recognizer))
    check_clips(recognizer, runs, [400, 1, 177, 230], 410, seed=1)


def test_a_stream_begins_anew_after_its_end():
    _, runs = moving("chunks")
    sound = draw([500], 500, 1)[0][0].numpy()
    first = np.concatenate([runs.push(sound), runs.flush()])
    second = np.concatenate([runs.push(sound[:100]), runs.push(sound[100:]), runs.flush()])
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_the_memory_of_a_stream_is_constant():
    _, runs = moving("gru, centred convolutions")
    sizes = []
    for seed in range(6):
        runs.push(draw([480], 480, seed + 1)[0][0].numpy())
        sizes.append(sum(state.size for state in runs.states.values()))
    assert len(set(sizes[1:])) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "front"), ARCHITECTURES)
def test_every_architecture_that_can_be_configured(architecture, front):
    given = [f"model={architecture}", f"front={front}", "data=digits"]
    if front == "none":
        given.append("features=mfcc_narrow_stream")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        conf = compose("train", given)
    features = instantiate(conf.features)
    scores_steps = "ctc" in architecture or architecture == "gru_on_front_stream"
    head = "ctc" if scores_steps else "classification"
    vocabulary = Vocabulary.of(WORDS, "words" if head == "ctc" else "classes")
    torch.manual_seed(0)
    sizes = {"n_features": features.n_features, "n_outputs": len(vocabulary), "head": head}
    model = instantiate(conf.model, **sizes)
    recognizer = Recognizer.from_modules(features, model, vocabulary)
    clips = [tone("low", 0.9), tone("high", 0.02), tone("middle", 0.31), np.zeros(7000, np.float32)]
    lengths = [len(clip) for clip in clips]
    waveform = np.zeros((len(clips), max(lengths)), np.float32)
    for row, clip in zip(waveform, clips, strict=True):
        row[: len(clip)] = clip
    expected, steps = recognizer.logits(waveform, lengths)
    logits, found = Runs(export_onnx(recognizer)).whole(waveform, lengths)
    assert found.tolist() == steps.tolist()
    for row, count in enumerate(found):
        np.testing.assert_allclose(logits[row, :count], expected[row, :count], atol=1e-4)
    assert recognizer.can_stream == (architecture in MOVES)
    if recognizer.can_stream:
        runs = Runs(export_onnx(recognizer, streaming=True))
        for clip in clips[:3]:
            check_sound(recognizer, runs, clip, [1600])


def test_export_errors_give_the_reason():
    whole = build(small("one delta"))
    with pytest.raises(ConfigurationError, match=r"bidirectional=True.*\n.*pooling"):
        export_onnx(whole, streaming=True)
    cells = build(small("deltas"), cell="lstm", head="ctc", chunk=2)
    with pytest.raises(ConfigurationError, match=r"cell='lstm' with chunk=2.*train cell='gru'"):
        export_onnx(cells)


def test_the_metadata_is_the_recognizers():
    recognizer, runs = moving("lstm, stack")
    described = {**runs.description}
    del described["onnx"], described["probe"]
    assert described == json.loads(json.dumps(recognizer.description))
    assert runs.graph.opset == 18
    assert runs.graph.sample_rate == 1600
    assert runs.graph.stream.hop_length == 16


@needs_shared
@pytest.mark.slow
def test_real_clips():
    files = sorted((SHARED / "digits").glob("*.wav"))[::20]
    recognizer = build(MFCC(fmax=4000, n_mels=40, n_mfcc=13, deltas=1, top_db=9), hidden_size=64)
    runs = Runs(export_onnx(recognizer))
    for first in range(0, len(files), 10):
        clips = [load_audio(file, 16_000) for file in files[first : first + 10]]
        lengths = [len(clip) for clip in clips]
        waveform = np.zeros((len(clips), max(lengths)), np.float32)
        for row, clip in zip(waveform, clips, strict=True):
            row[: len(clip)] = clip
        expected, _ = recognizer.log_probs(waveform, lengths)
        logits, _ = runs.whole(waveform, lengths)
        np.testing.assert_allclose(log_softmax(logits), expected, atol=1e-4)
