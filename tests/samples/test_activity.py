"""Where speech lies, and its SNR, against sounds whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.audio import load_audio
from speech_rnn.audio.signal import noise_gain
from speech_rnn.samples.activity import MOST_SNR_DB, activity
from tests.real import SHARED, needs_shared
from tests.test_clips import CLIPS

RATE = 16_000
START, END = 0.8, 1.7


def noise(seconds, seed=0):
    return np.random.default_rng(seed).standard_normal(round(seconds * RATE)).astype(np.float32)


def spoken(snr_db, start=START, end=END, seconds=3.0, seed=0):
    """A buzz of 150 Hz with many harmonics from start to end, in white noise at an SNR."""
    time = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 150 * n * time + n * n) / n for n in range(1, 30))
    inside = (start <= time) & (time < end)
    power = float(np.mean(buzz[inside] ** 2))
    hiss = noise(seconds, seed) * noise_gain(power, 1.0, snr_db)
    return (0.05 * (buzz * inside + hiss)).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(st.floats(10, 50), st.integers(0, 2**20), st.floats(0.3, 1.0), st.floats(1.4, 2.6))
def test_the_snr_and_the_extent_of_a_sound_in_noise_are_found(snr_db, seed, start, end):
    found = activity(spoken(snr_db, start, end, seed=seed), RATE)
    assert found.snr_db == pytest.approx(snr_db, abs=1.0)
    assert (found.start, found.end) == pytest.approx((start, end), abs=0.04)


@settings(max_examples=25, deadline=None)
@given(st.floats(-30, 15), st.floats(-0.2, 0.2), st.integers(0, 40))
def test_level_offset_and_place_do_not_change_the_snr(gain_db, offset, n_frames):
    clip = spoken(20)
    changed = np.float32(10 ** (gain_db / 20)) * clip + np.float32(offset)
    found = activity(changed, RATE)
    assert found.snr_db == pytest.approx(activity(clip, RATE).snr_db, abs=0.01)
    assert found.start == activity(clip, RATE).start
    moved = np.concatenate([changed[: 160 * n_frames], changed])
    assert activity(moved, RATE).start == pytest.approx(found.start + n_frames / 100, abs=0.02)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_the_sample_rate_does_not_matter(rate):
    from speech_rnn.audio import resample

    found = activity(resample(spoken(25), RATE, rate), rate)
    assert (found.start, found.end) == pytest.approx((START, END), abs=0.04)
    # resampling to 8 kHz takes away the upper half of the noise: 3 dB
    assert found.snr_db == pytest.approx(25 + 3 * (rate == 8_000), abs=1.5)


@pytest.mark.parametrize("clip", CLIPS, ids=lambda path: path.stem)
@pytest.mark.parametrize("snr_db", [15, 25])
def test_real_speech_in_noise(clip, snr_db):
    """The recordings themselves have an SNR above 45 dB."""
    speech = load_audio(clip)
    alone = activity(speech, RATE)
    assert 45 <= alone.snr_db <= MOST_SNR_DB
    energies = (speech.astype(float) ** 2).reshape(-1, 320).mean(axis=1)
    power = energies[energies > energies.max() / 10**2.5].mean()  # of its sounds, not its stops
    noisy = speech + noise(1.0) * np.float32(noise_gain(power, 1.0, snr_db))
    found = activity(noisy, RATE)
    assert found.snr_db == pytest.approx(snr_db, abs=3.5)
    assert alone.start - 0.05 <= found.start < found.end <= alone.end + 0.05


def test_a_consonant_over_hum_is_found():
    time = np.arange(2 * RATE) / RATE
    hum = 0.3 * np.sin(2 * np.pi * 50 * time)
    hiss = np.diff(noise(2.0), prepend=0) * 0.05 * ((time >= 0.9) & (time < 1.2))
    found = activity((hum + hiss + 1e-4 * noise(2.0, 1)).astype(np.float32), RATE)
    assert (found.start, found.end) == pytest.approx((0.9, 1.2), abs=0.04)


@pytest.mark.parametrize("level", [0.0, 1e-5, 1e-3, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_steady_noise_and_silence_are_no_speech(level, seed):
    assert activity(noise(3.0, seed) * np.float32(level), RATE) == (
        activity(np.zeros(RATE, np.float32), RATE)
    )


def test_a_click_is_no_speech():
    clicked = spoken(40)
    clicked[100:130] = 0.9
    assert activity(clicked, RATE).start == pytest.approx(START, abs=0.03)


def test_a_pause_of_zeros_has_no_noise():
    clip = spoken(200)
    assert activity(clip, RATE).snr_db == MOST_SNR_DB


@pytest.mark.parametrize("n_samples", [1, 100, 700, 801])
def test_a_sound_too_short_for_a_word(n_samples):
    assert activity(np.full(n_samples, 0.5, np.float32), RATE).start is None


def test_without_a_pause_the_snr_is_unknown():
    time = np.arange(RATE) / RATE
    swelling = np.sin(2 * np.pi * 200 * time) * np.linspace(0.1, 1, RATE)
    found = activity(swelling.astype(np.float32), RATE)
    assert found.snr_db is None or found.snr_db < 10


@needs_shared
def test_talk_has_speech_and_steady_noise_has_none():
    for file in sorted((SHARED / "speech").glob("librispeech*"))[::15]:
        assert activity(load_audio(file), RATE).snr_db > 10
    for kind in ("running_tap", "white_noise"):
        assert activity(load_audio(SHARED / f"noise/{kind}.wav")[: 10 * RATE], RATE).start is None


@pytest.mark.slow
@needs_shared
@pytest.mark.parametrize(("snr_db", "low", "high"), [(20, 0, 2.5), (10, 1, 4.5), (5, 2, 6.5)])
def test_the_snr_of_phrases_in_three_noises(snr_db, low, high):
    """The figures of docs/howto/doctor.md: by how much the estimate is too high."""
    errors = []
    for file in sorted((SHARED / "keywords").glob("*/*.flac"))[::40]:
        phrase = load_audio(file)
        if activity(phrase, RATE).snr_db < 45:
            continue
        energies = phrase[: len(phrase) // 320 * 320].astype(float).reshape(-1, 320)
        energies = (energies**2).mean(axis=1)
        power = energies[energies > energies.max() / 10**3].mean()
        for kind in ("white_noise", "pink_noise", "running_tap"):
            hiss = np.resize(load_audio(SHARED / f"noise/{kind}.wav")[RATE:], len(phrase))
            gain = noise_gain(power, np.mean(hiss.astype(float) ** 2), snr_db)
            found = activity(phrase + hiss * np.float32(gain), RATE)
            errors.append(found.snr_db - snr_db)
    assert len(errors) > 90
    print(len(errors), np.round([min(errors), np.median(errors), max(errors)], 1))
    assert low - 0.5 <= min(errors) <= max(errors) <= high
