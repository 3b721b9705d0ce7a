"""The figures of a recording, against signals of which each is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.diagnosis.measures import measure

RATE = 16_000


def sine(amplitude, hz=1_000, seconds=1.0):
    time = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * hz * time)).astype(np.float32)[:, None]


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-3, 0.9), st.floats(-0.09, 0.09))
def test_a_sine_has_its_peak_and_3_decibels_less_as_rms(amplitude, offset):
    found = measure(sine(amplitude) + np.float32(offset), RATE)
    assert found.peak_db == pytest.approx(20 * np.log10(amplitude), abs=0.02)
    assert found.rms_db == pytest.approx(found.peak_db - 3.01, abs=0.02)
    assert found.dc_offset == pytest.approx(offset, abs=1e-4)
    assert found.clipped_share == 0
    assert found.bandwidth_hz == pytest.approx(1_000, abs=250)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_the_share_of_clipped_samples(share):
    """A sine is above sin(π/2 (1 - share)) for such a share of its samples."""
    loud = sine(1 / np.sin(np.pi / 2 * (1 - share)), hz=50)
    assert measure(loud.clip(-1, 1), RATE).clipped_share == pytest.approx(share, abs=0.02)
    assert measure(sine(0.99, hz=50), RATE).clipped_share == 0


def test_one_channel_of_two_that_is_clipped():
    found = measure(np.hstack([sine(0.1, hz=50), sine(2, hz=50).clip(-1, 1)]), RATE)
    assert found.n_channels == 2
    assert found.clipped_share == pytest.approx(2 / 3, abs=0.02)


def test_channels_in_opposite_phase_keep_their_level():
    found = measure(np.hstack([sine(0.5), -sine(0.5)]), RATE)
    assert found.peak_db == pytest.approx(-6.02, abs=0.02)


def test_silence_has_no_level_and_no_band():
    found = measure(np.zeros((RATE, 1), np.float32), RATE)
    assert (found.rms_db, found.peak_db, found.bandwidth_hz) == (None, None, None)
    assert (found.speech_start, found.speech_end, found.snr_db) == (None, None, None)
    assert found.seconds == 1.0
