"""Several channels as one, whole and in blocks."""

import numpy as np
import pytest

from speech_rnn.samples.downmix import Downmix
from tests.tones import tone

SPEECH = tone("low", 1.0)
NOISE = np.random.default_rng(0).normal(0, 0.3, len(SPEECH)).astype(np.float32)


def stacked(*channels):
    return np.stack(channels, axis=1).astype(np.float32)


@pytest.mark.parametrize("factor", [-1.0, -0.999, -0.98, -0.95, -0.9])
@pytest.mark.parametrize("size", [1600, 16_000])
def test_case_15_channels_in_opposite_phase(factor, size):
    samples, mix = stacked(SPEECH, factor * SPEECH), Downmix()
    found = np.concatenate([mix(samples[at : at + size]) for at in range(0, len(samples), size)])
    assert np.array_equal(np.abs(found), np.abs(SPEECH if factor > -1 else found))
    assert np.abs(found).max() == pytest.approx(np.abs(SPEECH).max())
    (problem,) = mix.problems()
    assert problem.startswith("its channels cancel each other (opposite phase)")


@pytest.mark.parametrize(
    "channels",
    [
        (SPEECH, SPEECH),
        (SPEECH, 0 * SPEECH),
        (SPEECH, 0.5 * SPEECH, 0 * SPEECH),
        (0 * SPEECH, 0 * SPEECH),
        (SPEECH, np.roll(SPEECH, 3)),
        (1e-4 * NOISE, -1e-4 * NOISE),  # what nobody hears does not count
    ],
)
def test_channels_that_fit_are_averaged_without_a_word(channels):
    mix = Downmix()
    samples = stacked(*channels)
    assert np.array_equal(mix(samples), samples.mean(axis=1))
    assert mix.problems() == []


def test_case_31_several_microphone_channels_of_which_one_speaks():
    samples = stacked(*[NOISE] * 5, 0.2 * SPEECH)
    mix = Downmix()
    mix(samples)
    (problem,) = mix.problems()
    assert "6 channels differ, and their mean is taken" in problem
    chosen = Downmix(5)
    assert np.array_equal(chosen(samples), samples[:, 5])
    assert chosen.problems() == []


@pytest.mark.parametrize("level", [0.02, 0.1, 0.5])
def test_case_31_noise_of_its_own_in_each_other_channel(level):
    noise = np.random.default_rng(1).normal(0, level, (len(SPEECH), 5))
    mix = Downmix()
    mix(stacked(*noise.T, SPEECH))
    (problem,) = mix.problems()
    assert "6 channels differ, and their mean is taken" in problem


@pytest.mark.parametrize("delay", [0, 1, 2])
def test_six_microphones_of_one_room_are_averaged_without_a_word(delay):
    mix = Downmix()
    noise = np.random.default_rng(1).normal(0, 0.02, (len(SPEECH), 6))
    mix(stacked(*[np.roll(SPEECH, delay * place) + own for place, own in enumerate(noise.T)]))
    assert mix.problems() == []


def test_one_channel_is_itself():
    for samples in (SPEECH, SPEECH[:, None]):
        mix = Downmix()
        assert np.array_equal(mix(samples), SPEECH)
        assert mix.problems() == []


def test_nan_is_left_to_the_reader():
    mix = Downmix()
    assert np.isnan(mix(stacked([0.1, np.nan], [0.1, 0.2]))).any()
    assert mix.problems() == []
