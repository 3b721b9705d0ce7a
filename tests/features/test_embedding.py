"""The embedding of waveforms: alone, in streams, in files that others write."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch.testing import assert_close

from speech_rnn.errors import ConfigurationError, ModelError
from speech_rnn.features import Embedding
from speech_rnn.features.encoder import RecurrentEncoder

SMALL = {"channels": [4, 6, 8], "projection": 12, "size": 10, "delay": 2}
RATE = 16_000


@pytest.fixture(scope="module")
def embedding(tmp_path_factory):
    return Embedding(written(tmp_path_factory.mktemp("weights") / "small.safetensors"))


def written(path, settings=None):
    torch.manual_seed(0)
    weights = {name: w.half() for name, w in RecurrentEncoder(**SMALL).state_dict().items()}
    save_file(weights, path, metadata={"encoder": json.dumps(settings or SMALL)})
    return path


def waveform(n_clips, n_samples, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_clips, n_samples, generator=generator) / 10


def test_it_gives_25_a_second(embedding):
    embeddings, lengths = embedding(waveform(2, 2 * RATE))
    assert embeddings.shape == (2, 51, embedding.n_features)
    assert lengths.tolist() == [51, 51]
    assert embedding.n_frames(2 * RATE) == 51
    assert (embedding.hop_length, embedding.hop_seconds) == (640, 0.04)


def test_embeddings_do_not_depend_on_the_batch(embedding):
    sound, lengths = waveform(3, 9000), torch.tensor([9000, 4321, 1])
    together, steps = embedding(sound, lengths)
    for clip, length, n_steps, row in zip(sound, lengths, steps, together, strict=True):
        assert_close(row[:n_steps], embedding(clip[None, :length])[0][0])
        assert not row[n_steps:].any()


@given(
    n_samples=st.integers(1, 20_000), sizes=st.lists(st.integers(1, 7000), min_size=1, max_size=4)
)
def test_a_stream_equals_its_batch(embedding, n_samples, sizes):
    sound = waveform(2, n_samples, seed=n_samples)
    stream, pieces, at = embedding.stream(2), [], 0
    while at < n_samples:
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(stream.push(sound[:, at : at + size]))
        at += size
    pieces.append(stream.flush())
    assert_close(torch.cat(pieces, dim=1), embedding(sound)[0], atol=1e-5, rtol=1e-4)


def test_a_stream_begins_anew_after_its_end(embedding):
    sound, stream = waveform(1, 8000), embedding.stream()
    first = torch.cat([stream.push(sound), stream.flush()], dim=1)
    assert_close(torch.cat([stream.push(sound), stream.flush()], dim=1), first)


def test_its_weights_do_not_learn(embedding):
    assert not any(weight.requires_grad for weight in embedding.parameters())
    assert not embedding.training


def test_wrong_shapes_are_refused(embedding):
    with pytest.raises(ConfigurationError, match="shape"):
        embedding(waveform(1, 800)[0])
    with pytest.raises(ConfigurationError, match="batch_size"):
        embedding.stream(0)


@pytest.mark.parametrize("content", [b"", b"no weights", b"\x08" + b"\0" * 20])
def test_a_file_without_weights_is_refused(tmp_path, content):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="no weights of the embedding"):
        Embedding(path)


@pytest.mark.parametrize(
    "settings",
    [
        {**SMALL, "size": 12},
        {"sizes": 3},
        "none",
        {**SMALL, "size": 2**40},
        {**SMALL, "n_layers": 2**19},
        {**SMALL, "channels": [2**40, 6, 8]},
        {**SMALL, "channels": None},
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path, settings):
    with pytest.raises(ModelError, match="no weights of the embedding"):
        Embedding(written(tmp_path / "weights.safetensors", settings))


def test_nan_weights_are_rejected(tmp_path):
    weights = RecurrentEncoder(**SMALL).state_dict()
    weights["projection.bias"][0] = np.nan
    path = tmp_path / "weights.safetensors"
    save_file(weights, path, metadata={"encoder": json.dumps(SMALL)})
    with pytest.raises(ModelError, match=r"projection\.bias holds NaN or infinite values"):
        Embedding(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"absent\.safetensors"):
        Embedding(tmp_path / "absent.safetensors")


def test_silence_is_embedded(embedding):
    assert np.isfinite(embedding(torch.zeros(1, RATE))[0].numpy()).all()
