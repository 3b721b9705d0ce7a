"""What is said of a sound that is too low or too high."""

import re

import numpy as np
import pytest

from speech_rnn.errors import AudioError, ConfigurationError
from speech_rnn.samples.levels import Levels
from speech_rnn.samples.limits import check_channel, check_channels, check_rate
from tests.tones import tone

CLIP = tone("low", 0.5)
CLIP = CLIP / np.abs(CLIP).max()


def problems_of(samples, size=1000):
    levels = Levels()
    for at in range(0, len(samples), size):
        levels.take(samples[at : at + size])
    return levels.problems()


@pytest.mark.parametrize("decibels", [-37, -40, -50, -58])
@pytest.mark.parametrize("offset", [0, 0.1])
def test_case_16_quiet_microphone(decibels, offset):
    (problem,) = problems_of(CLIP * 10 ** (decibels / 20) + np.float32(offset))
    assert problem.startswith("is quiet: no sample is above -36 dB of full scale")


@pytest.mark.parametrize(
    ("peak", "message"),
    [
        (0.0, "is silent: no sample is above -60 dB"),
        (5000, "its samples reach 5000: they look like 16-bit integers .*; divide them by 32768"),
        (32768, "look like 16-bit integers"),
        (8e6, "look like 24-bit integers .*; divide them by 8388608"),
        (2**31, "look like 32-bit integers .*; divide them by 2147483648"),
        (5, "samples beyond full scale were clipped; record it with less gain"),
    ],
)
def test_case_27_float_wav_in_the_scale_of_integers(peak, message):
    (problem,) = problems_of(CLIP * np.float32(peak))
    assert len(problem) < 120
    assert re.search(message, problem)


@pytest.mark.parametrize("decibels", [-30, -3, 0])
def test_a_level_that_fits_is_not_reported(decibels):
    assert problems_of(CLIP * np.float32(10 ** (decibels / 20))) == []
    assert Levels().problems() == []


@pytest.mark.parametrize("rate", [-1, 0, 1, 999, 1_000_001, 10**15])
def test_case_f07_rate_of_1_hz(rate):
    message = f"rate={rate} must be from 1000 to 1000000 Hz"
    with pytest.raises(ConfigurationError, match=message):
        check_rate(rate)
    with pytest.raises(AudioError, match=rf"a\.wav: {message}.*its header may be damaged"):
        check_rate(rate, "a.wav")


@pytest.mark.parametrize("n_channels", [0, 257, 10**12])
def test_numbers_of_channels_that_no_recording_has(n_channels):
    with pytest.raises(ConfigurationError, match=rf"channels={n_channels} must be from 1 to 256"):
        check_channels(n_channels)


def test_a_missing_channel():
    check_channel(5, 6, "a.wav")
    with pytest.raises(AudioError, match=r"a\.wav: channel=6 is not there; it has 0 to 5"):
        check_channel(6, 6, "a.wav")
    with pytest.raises(
        ConfigurationError, match=r"^channel=1 is not there; it has only 0, counted"
    ):
        check_channel(1, 1)
