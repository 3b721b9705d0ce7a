"""Where the spectrum ends, against sounds that were cut at a known frequency."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.audio import load_audio, resample
from speech_rnn.samples.spectrum import bandwidth
from tests.real import SHARED, needs_shared
from tests.test_clips import CLIPS

RATE = 16_000


def cut_noise(hz, rate=RATE, seconds=1.0, seed=0):
    """White noise without anything above a frequency."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(round(seconds * rate)))
    spectrum[np.fft.rfftfreq(round(seconds * rate), 1 / rate) > hz] = 0
    waveform = np.fft.irfft(spectrum, round(seconds * rate))
    return (0.2 * waveform / np.abs(waveform).max()).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(st.floats(1_000, 7_500), st.integers(0, 2**20), st.floats(-50, 0))
def test_a_cut_is_found_at_any_level(hz, seed, gain_db):
    waveform = np.float32(10 ** (gain_db / 20)) * cut_noise(hz, seed=seed)
    stored = np.round(waveform * 32768) / np.float32(32768)
    found = bandwidth(stored, RATE)
    if gain_db > -30:  # below, the noise of 16 bits begins to fill the part above
        assert found == pytest.approx(hz, abs=250)
    else:
        assert found == pytest.approx(hz, abs=250) or found == RATE / 2


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_a_cut_is_found_at_any_rate(rate):
    assert bandwidth(cut_noise(3_400, rate), rate) == pytest.approx(3_400, abs=250)
    assert bandwidth(cut_noise(rate, rate), rate) == rate / 2


@pytest.mark.parametrize("clip", CLIPS, ids=lambda path: path.stem)
def test_real_speech_by_telephone_is_recognised(clip):
    speech = load_audio(clip)
    by_telephone = resample(speech, RATE, 8_000)
    assert 3_500 <= bandwidth(by_telephone, 8_000) <= 4_000
    assert 3_500 <= bandwidth(resample(by_telephone, 8_000, RATE), RATE) <= 4_250
    assert bandwidth(resample(speech, RATE, 48_000), 48_000) <= 8_250


def test_real_speech_with_its_consonants_is_not():
    for word in ("yes", "stop", "left", "right", "go"):
        (clip,) = (path for path in CLIPS if path.stem == word)
        assert bandwidth(load_audio(clip), RATE) > 7_000


@needs_shared
def test_corpora_by_telephone_and_by_microphone():
    digits = sorted((SHARED / "digits").glob("*.wav"))[::100]
    phrases = sorted((SHARED / "keywords").glob("*/*.flac"))[::100]
    assert {bandwidth(load_audio(file), RATE) < 4_250 for file in digits} == {True}
    assert {bandwidth(load_audio(file), RATE) > 7_000 for file in phrases} == {True}


def test_a_tone_ends_where_it_is():
    tone = np.sin(2 * np.pi * 2_000 * np.arange(RATE) / RATE).astype(np.float32)
    assert bandwidth(tone, RATE) == pytest.approx(2_000, abs=250)


@pytest.mark.parametrize("n_samples", [1, 10, 511, 513])
def test_a_short_sound_has_a_bandwidth(n_samples):
    assert 0 < bandwidth(cut_noise(9_000)[:n_samples], RATE) <= RATE / 2


def test_silence_has_none():
    assert bandwidth(np.zeros(RATE, np.float32), RATE) is None
    assert bandwidth(np.full(RATE, 0.25, np.float32), RATE) is None
