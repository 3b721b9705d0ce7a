"""A program that pushes sound into a stream is warned, once, of a level at which words are lost."""

import warnings

import numpy as np
import pytest

from speech_rnn.audio import AudioWarning
from speech_rnn.audio.signal import waveform_of
from speech_rnn.recognizer import Recognizer
from tests.tones import tone

CLIP = tone("low", 1.0)
CLIP = CLIP / np.abs(CLIP).max()


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.load()


def warned(recognizer, samples, **settings):
    stream = recognizer.stream(16_000, **settings)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for at in range(0, len(samples), 1600):
            stream.push(samples[at : at + 1600])
        n_before_the_end = len(caught)
        stream.finish()
    assert all(issubclass(one.category, AudioWarning) for one in caught)
    return [str(one.message) for one in caught], n_before_the_end


def test_case_27_floats_in_the_scale_of_integers(recognizer):
    told, n_before_the_end = warned(recognizer, CLIP * np.float32(20_000))
    assert len(told) == n_before_the_end == 1
    assert told[0].startswith("stream: its samples reach")
    assert "they look like 16-bit integers" in told[0]
    assert warned(recognizer, CLIP * np.float32(20_000), check=False) == ([], 0)
    with pytest.warns(AudioWarning, match="they look like 16-bit integers"):
        waveform_of(CLIP * 20_000, 16_000, 16_000)


@pytest.mark.parametrize(("gain", "n_told"), [(0.5, 0), (0.005, 1), (0.0, 1), (2.0, 1)])
def test_case_16_quiet_sound_is_reported_at_the_end(recognizer, gain, n_told):
    told, n_before_the_end = warned(recognizer, CLIP * np.float32(gain))
    assert (len(told), n_before_the_end) == (n_told, 0)
