"""The front that others have trained, against the TFLite network that it was taken from."""

import ctypes

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyopen_wakeword.openwakeword import OpenWakeWordFeatures

from speech_rnn.config.app import CONF
from speech_rnn.errors import ConfigurationError, MissingExtraError
from speech_rnn.features import LogMel
from speech_rnn.model import AcousticModel
from speech_rnn.model.embedding import FIELD, LOUDEST_DB, SILENCE_DB, SpeechEmbedding
from speech_rnn.model.pretrained import speech_embedding


@pytest.fixture(scope="module")
def front():
    front = SpeechEmbedding()
    front.load(speech_embedding().weights)
    return front.eval()


@pytest.fixture(scope="module")
def published():
    """The network itself, run by TFLite: log-mel frames (76, 32) to an embedding (96,)."""
    network = OpenWakeWordFeatures.from_builtin()

    def run(frames):
        given = np.ascontiguousarray(frames, dtype=np.float32)
        found = np.empty(96, np.float32)
        for copy, tensor, array in (
            (network.lib.TfLiteTensorCopyFromBuffer, network.emb_input_tensor, given),
            (network.lib.TfLiteTensorCopyToBuffer, network.emb_output_tensor, found),
        ):
            if array is found:
                network.lib.TfLiteInterpreterInvoke(network.emb_interpreter)
            pointer = array.ctypes.data_as(ctypes.c_void_p)
            assert copy(tensor, pointer, ctypes.c_size_t(array.nbytes)) == 0
        return found

    return run


def bare(front, frames):
    """Embeddings without batch normalisation, which is new and begins as the identity."""
    embedded, _ = front(frames, torch.tensor([frames.shape[1]]))
    return embedded[0].detach().numpy() * np.sqrt(1 + front.normalization.eps)


def test_the_network_is_the_published_one(front, published):
    frames = torch.randn(1, 40, 32, generator=torch.Generator().manual_seed(0)) * 15 + 40
    found = bare(front, frames)  # (5, 96)
    level = frames[0].numpy() - frames.max().item()
    level = 10 * np.log10(10 ** (level / 10) + 10 ** (-SILENCE_DB / 10))
    padded = np.full((34 + 40 + 34 + 4, 32), -SILENCE_DB)
    padded[34:74] = level
    padded = (padded + LOUDEST_DB) / 10 + 2
    for step in range(5):
        seen = padded[8 * step : 8 * step + FIELD]
        np.testing.assert_allclose(found[step], published(seen), atol=2e-4)


def test_frames_are_those_of_the_training():
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    ours = instantiate(OmegaConf.load(CONF / "features" / "log_mel_embedding.yaml"))
    noise = torch.randn(16_000, generator=torch.Generator().manual_seed(0)) * 0.05
    network = OpenWakeWordFeatures.from_builtin()
    taught = mel_of(network, noise[:1760].numpy() * 32768)
    # Its windows of 400 samples lie amid 512 points, ours around every hop.
    frames, _ = LogMel(**ours.hyperparameters | {"framing": "snip"})(
        noise[None, 56:1760], torch.tensor([1760 - 56])
    )
    np.testing.assert_allclose(frames[0, : len(taught)].numpy(), taught, atol=2e-3)


def mel_of(network, samples):
    given = np.ascontiguousarray(samples, dtype=np.float32)
    network.lib.TfLiteTensorCopyFromBuffer(
        network.mel_input_tensor,
        given.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_size_t(given.nbytes),
    )
    network.lib.TfLiteInterpreterInvoke(network.mel_interpreter)
    size = network.lib.TfLiteTensorByteSize(network.mel_output_tensor)
    found = np.empty(size // 4, np.float32)
    network.lib.TfLiteTensorCopyToBuffer(
        network.mel_output_tensor, found.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(size)
    )
    return found.reshape(-1, 32)


def test_level_does_not_matter(front):
    frames = torch.randn(1, 30, 32, generator=torch.Generator().manual_seed(1)) * 10
    np.testing.assert_allclose(bare(front, frames), bare(front, frames + 23), atol=1e-4)


@pytest.mark.parametrize("n_frames", [1, 7, 8, 9, 40])
def test_padding_and_neighbours_change_nothing(front, n_frames):
    random = torch.Generator().manual_seed(2)
    frames = torch.randn(1, n_frames, 32, generator=random) * 10
    beside = torch.randn(3, 61, 32, generator=random) * 10
    beside[1, :n_frames] = frames
    alone, steps = front(frames, torch.tensor([n_frames]))
    together, all_steps = front(beside, torch.tensor([61, n_frames, 3]))
    assert steps.tolist() == [-(-n_frames // 8)] == [int(all_steps[1])]
    torch.testing.assert_close(together[1, : alone.shape[1]], alone[0], atol=1e-4, rtol=1e-4)


def test_frozen_convolutions_are_not_trained():
    model = AcousticModel(32, 4, front="speech_embedding", n_frozen=7, n_layers=1)
    logits, _ = model(torch.randn(2, 20, 32), torch.tensor([20, 13]))
    logits.sum().backward()
    taught = [kept.weight.grad is not None for kept in model.front.convolutions]
    assert taught == [False] * 7 + [True] * 13


def test_it_has_less_than_half_a_million_weights():
    model = AcousticModel(
        32, 10, front="speech_embedding", n_layers=1, hidden_size=64, n_heads=1, dense=None
    )
    assert sum(weight.numel() for weight in model.front.convolutions.parameters()) == 328_224
    assert model.n_parameters < 500_000


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_features": 40}, "n_features=40.*features=log_mel_embedding"),
        ({"n_frozen": 21}, "n_frozen=21 must be a whole number from 0 to 20"),
        ({"front": "wav2vec"}, "front='wav2vec' is unknown"),
        ({"front": None, "n_frozen": 3}, "n_frozen=3 needs a front"),
    ],
)
def test_mismatches_are_reported(given, message):
    given = {"n_features": 32, "n_outputs": 2, "front": "speech_embedding"} | given
    with pytest.raises(ConfigurationError, match=message):
        AcousticModel(**given)


def test_it_says_why_it_cannot_stream():
    model = AcousticModel(
        32, 2, front="speech_embedding", bidirectional=False, pooling="last", n_layers=1
    ).eval()
    with pytest.raises(ConfigurationError, match="front='speech_embedding' levels a whole clip"):
        model.stream()
    assert model.latency_frames is None


@pytest.fixture(scope="module")
def listener(front):
    """A model on the front that takes levels as they are."""
    torch.manual_seed(0)
    model = AcousticModel(
        32, 4, head="ctc", front="speech_embedding", levels_clips=False, bidirectional=False
    )
    model.front.load(front.convolutions.state_dict())
    model.front.normalization.running_mean.normal_()
    return model.eval()


@settings(max_examples=15, deadline=None)
@given(
    n_frames=st.integers(0, 200),
    sizes=st.lists(st.integers(0, 90), max_size=6),
    n_clips=st.integers(1, 2),
)
def test_a_stream_equals_its_batch(listener, n_frames, sizes, n_clips):
    random = torch.Generator().manual_seed(n_frames)
    frames = torch.randn(n_clips, n_frames, 32, generator=random) * 15 + 60
    with torch.no_grad():
        expected, _ = listener.step_logits(frames, torch.full((n_clips,), n_frames))
    stream = listener.stream(n_clips)
    for _ in range(2):  # the second time: a flush leaves nothing behind
        found, first = [], 0
        for size in sizes:
            found.append(stream.push(frames[:, first : first + size]))
            first += size
        found += [stream.push(frames[:, first:]), stream.flush()]
        torch.testing.assert_close(torch.cat(found, dim=1), expected, atol=1e-4, rtol=1e-4)


def test_a_step_waits_as_long_as_it_says(listener):
    stream, waits = listener.stream(), []
    for n_frames in range(1, 120):
        for _ in range(stream.push(torch.zeros(1, 1, 32)).shape[1]):
            waits.append(n_frames - 8 * (len(waits) + 1))
    assert {listener.latency_frames} == {*waits} == {34}


def test_a_missing_extra_names_itself(monkeypatch):
    monkeypatch.setattr("speech_rnn.model.pretrained.find_spec", lambda package: None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[pretrained\]'"):
        speech_embedding()
