import numpy as np
import pytest
import torch
from distillation.card import rounded, write_weights
from distillation.probe import (
    Clips,
    EncoderFront,
    answers,
    described,
    from_few,
    left_out,
    people,
    told_apart,
)
from distillation.settings import Settings

from speech_rnn.data.speech_commands import COMMANDS, which_set
from speech_rnn.features import Embedding
from speech_rnn.features.encoder import RecurrentEncoder
from tests.real import SHARED, needs_shared

pytest.importorskip("sklearn", reason="the probe needs the extra [distill]")


WIDTH = 200
NOISE = np.random.default_rng(1)


def knowing(waveforms):
    """A front that hears the word, which is the first sample."""
    rng = np.random.default_rng(0)
    codes = rng.normal(0, 1, (10, WIDTH))
    return [codes[[int(each[0])] * 8] + rng.normal(0, 0.2, (8, WIDTH)) for each in waveforms]


def deaf(waveforms):
    return [NOISE.normal(0, 1, (8, WIDTH)) for _ in waveforms]


def clips(n_clips=600):
    word = np.arange(n_clips) % 10
    waveforms = [np.full(1600, number, np.float32) for number in word]
    speakers = np.array([str(number // 4) for number in range(n_clips)])
    return Clips(waveforms, np.array(COMMANDS)[word], speakers)


@pytest.mark.parametrize(("front", "least", "most"), [(knowing, 99, 100), (deaf, 3, 20)])
def test_figures_of_fronts_that_know_all_and_nothing(front, least, most):
    sounds = clips()
    vectors = described(front, sounds)
    assert vectors.shape == (600, 6 * WIDTH)
    shares = from_few(vectors, sounds)
    assert len(shares) == 5
    assert all(least <= share <= most for share in shares)
    half = answers(vectors[:300], sounds.words[:300], vectors[300:])
    assert least <= 100 * (half == sounds.words[300:]).mean() <= most


def test_unknown_words_are_distinguished_or_not():
    sounds = clips()
    vectors = described(knowing, sounds)
    assert told_apart(vectors, sounds.words, vectors, sounds.words) > 80
    noise = described(deaf, sounds)
    area = told_apart(noise[:300], sounds.words[:300], noise[300:], sounds.words[300:])
    assert area == pytest.approx(50, abs=10)


@pytest.mark.slow
def test_each_speaker_is_left_out_once():
    sounds = clips(200)
    found = left_out(described(knowing, sounds), sounds)
    assert found.keys() == set(sounds.speakers)
    assert min(found.values()) > 99
    alone = Clips(sounds.waveforms[:4], sounds.words[:4], sounds.speakers[:4])
    assert left_out(described(knowing, alone), alone) == {}


@needs_shared
def test_people_are_of_the_validation_split():
    sounds = people(SHARED / "speech_commands_v0.02")
    assert sounds.waveforms
    assert {which_set(f"{speaker}_nohash_0.wav") for speaker in sounds.speakers} == {"validation"}
    assert set(sounds.words) <= set(COMMANDS)


def test_a_clip_has_the_same_embeddings_in_a_batch():
    torch.manual_seed(0)
    front = EncoderFront(RecurrentEncoder(channels=(4, 4, 4), projection=8, size=8))
    rng = np.random.default_rng(0)
    sounds = [rng.normal(0, 0.1, n).astype(np.float32) for n in (5000, 16_000, 24_000)]
    for alone, beside in zip((front([each])[0] for each in sounds), front(sounds), strict=True):
        assert np.abs(alone - beside).max() < 1e-5


def test_the_file_is_what_was_measured(tmp_path):
    torch.manual_seed(0)
    settings = Settings()
    encoder = rounded(RecurrentEncoder(**settings.encoder)).eval()
    path = tmp_path / "embedding.safetensors"
    write_weights(path, encoder, settings, {"seed": "0"})
    assert path.stat().st_size < 1_000_000
    embedding = Embedding(path)
    waveform = torch.randn(1, 16_000) * 0.1
    with torch.inference_mode():
        expected, _ = encoder(*embedding.log_mel(waveform))
    assert torch.equal(embedding(waveform)[0], expected)
