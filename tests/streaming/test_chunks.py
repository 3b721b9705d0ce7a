"""Samples that arrive in any size and kind, against the same as a whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.audio import resample
from speech_rnn.errors import AudioError, ConfigurationError
from speech_rnn.streaming.chunks import SampleStream
from tests.tones import tone

LEVELS = np.rint(32767 * tone("middle", 0.5)).astype(np.int16)
KINDS = {
    "int16": LEVELS,
    "big-endian": LEVELS.astype(">i2"),
    "int32": LEVELS.astype(np.int32) << 16,
    "float32": (LEVELS / 32768).astype(np.float32),
    "float64": LEVELS / 32768,
    "bytes": LEVELS.tobytes(),
    "bytearray": bytearray(LEVELS.tobytes()),
    "memoryview": memoryview(LEVELS),
}
cuts = st.lists(st.integers(0, 3000), max_size=8)


def push_all(stream, sound, sizes):
    first, found = 0, []
    for size in [*sizes, len(sound)]:
        found.append(stream.push(sound[first : first + size]))
        first += size
    return np.concatenate([*found, stream.finish()])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20)
@given(sizes=cuts)
def test_every_kind_gives_the_same_samples(kind, sizes):
    found = push_all(SampleStream(16_000, 16_000), KINDS[kind], sizes)
    assert found.dtype == np.float32
    assert np.array_equal(found, LEVELS / 32768)


@settings(max_examples=30)
@given(sizes=cuts, rate=st.sampled_from([8_000, 11_025, 22_050, 44_100, 48_000]))
def test_a_stream_is_resampled_as_a_whole_is(sizes, rate):
    whole = resample(KINDS["float32"], rate, 16_000)
    stream = SampleStream(rate, 16_000)
    for kind in ("float32", "bytes"):  # the second time: nothing is left of the first
        assert np.array_equal(push_all(stream, KINDS[kind], sizes), whole.clip(-1, 1))


@pytest.mark.slow
def test_an_hour_is_not_a_sample_too_long():
    stream = SampleStream(44_100, 16_000)
    minute = np.zeros(60 * 44_100, np.int16)
    n_samples = sum(len(stream.push(minute)) for _ in range(60)) + len(stream.finish())
    assert n_samples == 3600 * 16_000


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_chunk_with_nan_is_rejected_alone(bad):
    stream = SampleStream(16_000, 16_000)
    good = KINDS["float32"][:100]
    chunk = good.copy()
    chunk[7] = bad
    stream.push(good)
    with pytest.raises(AudioError, match="chunk of 100 samples holds 1 that are not numbers"):
        stream.push(chunk)
    assert np.array_equal(stream.push(good), good)


def test_too_loud_samples_are_clipped_and_counted():
    stream = SampleStream(16_000, 16_000)
    assert stream.push(np.array([0.5, 1.5, -3.0, 1.0])).tolist() == [0.5, 1.0, -1.0, 1.0]
    assert stream.levels.n_clipped == 2
    assert stream.push(np.full(10, 0.9)).max() == np.float32(0.9)
    assert stream.levels.n_clipped == 2


@pytest.mark.parametrize(("first", "second"), [("int16", "float32"), ("bytes", "int16")])
def test_a_stream_keeps_to_one_kind(first, second):
    stream = SampleStream(16_000, 16_000)
    stream.push(np.zeros(0))  # nothing is of no kind
    stream.push(KINDS[first][:99])
    with pytest.raises(AudioError, match=rf"chunk of {second} after chunks of {first}"):
        stream.push(KINDS[second][:99])
    stream.push(KINDS[first][99:199])
    stream.finish()
    assert len(stream.push(KINDS[second][:98]))


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (np.zeros((10, 2), np.float32), r"shape=\(10, 2\) .* take the mean of several"),
        (np.zeros(10, np.uint8), "dtype=uint8 must be bytes of 16-bit PCM"),
        (np.array(0.5), r"shape=\(\)"),
        ([1, 2], "dtype=int64"),
    ],
)
def test_chunks_that_cannot_be_used(chunk, message):
    with pytest.raises(AudioError, match=message):
        SampleStream(16_000, 16_000).push(chunk)


def test_half_a_sample_at_the_end_is_dropped():
    stream = SampleStream(16_000, 16_000)
    assert len(stream.push(b"\x00\x01\x02")) == 1
    assert len(stream.finish()) == 0
    assert stream.push(b"\x00\x40").tolist() == [0.5]


def test_rates():
    with pytest.raises(ConfigurationError, match="rate=0 must be from 1000 to 1000000 Hz"):
        SampleStream(0, 16_000)
