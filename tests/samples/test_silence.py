"""Silence around the samples of clips."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.samples.silence import in_silence


@given(
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=4),
    n_silent=st.integers(0, 10),
    padding=st.floats(-1, 1, width=32),
)
def test_each_clip_lies_between_silence_whatever_its_padding_is(sizes, n_silent, padding):
    clips = [np.arange(1, size + 1, dtype=np.float32) for size in sizes]
    waveform = np.full((len(clips), max(sizes)), padding, np.float32)
    for row, clip in zip(waveform, clips, strict=True):
        row[: len(clip)] = clip
    found, lengths = in_silence(waveform, sizes, n_silent)
    assert found.dtype == np.float32
    assert lengths.tolist() == [size + 2 * n_silent for size in sizes]
    for row, clip in zip(found, clips, strict=True):
        around = np.zeros(n_silent, np.float32)
        expected = np.concatenate([around, clip, around])
        np.testing.assert_array_equal(row[: len(expected)], expected)
        assert not row[len(expected) :].any()
