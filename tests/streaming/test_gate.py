"""What the gate lets through: of made noise, and of real speech in real noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.audio import load_audio
from speech_rnn.errors import ConfigurationError
from speech_rnn.streaming.gate import Gate, Gating
from tests.real import SHARED, needs_shared
from tests.tones import tone

RATE = 16_000


def noise(seconds, level=0.01, seed=0):
    random = np.random.default_rng(seed)
    return (level * random.standard_normal(round(seconds * RATE))).astype(np.float32)


def passed(waveform, gating=None, sizes=()):
    """The stretches (start, samples) that pass, each in one piece."""
    gate = Gate(gating or Gating(), RATE)
    pieces, first = [], 0
    for size in sizes:
        pieces += gate.push(waveform[first : first + size])
        first += size
    pieces += gate.push(waveform[first:]) + gate.finish()
    stretches = []
    for piece in pieces:
        if piece.opens:
            stretches.append((piece.start, [piece.samples]))
        else:
            start, samples = stretches[-1]
            assert piece.start == start + sum(map(len, samples))
            samples.append(piece.samples)
    assert sum(piece.opens for piece in pieces) == sum(piece.closes for piece in pieces)
    return [(start, np.concatenate(samples)) for start, samples in stretches]


def share(waveform):
    """How much of the waveform passes."""
    through = np.zeros(len(waveform), bool)
    for start, samples in passed(waveform):
        through[start : start + len(samples)] = True
    return through.mean()


def in_noise(word_at, seconds=12.0, level=0.003):
    waveform = noise(seconds, level)
    word = tone("middle", 0.4)
    for second in word_at:
        first = round(second * RATE)
        waveform[first : first + len(word)] += word
    return waveform


@settings(max_examples=40)
@given(sizes=st.lists(st.integers(0, 20_000), max_size=20), rate_of_words=st.integers(1, 4))
def test_pieces_change_nothing_and_times_are_those_of_the_stream(sizes, rate_of_words):
    waveform = in_noise(np.arange(3.0, 11.0, rate_of_words))
    whole, cut = passed(waveform), passed(waveform, sizes=sizes)
    assert [start for start, _ in cut] == [start for start, _ in whole]
    for (start, samples), (_, others) in zip(cut, whole, strict=True):
        assert np.array_equal(samples, others)
        assert np.array_equal(samples, waveform[start : start + len(samples)])


def test_a_word_passes_with_pre_roll_and_hangover():
    gating = Gating(preroll_seconds=0.3, hangover_seconds=0.5)
    _, (start, samples), *others = passed(in_noise([6.0]), gating)
    assert not others
    assert start / RATE == pytest.approx(5.7, abs=0.02)
    assert (start + len(samples)) / RATE == pytest.approx(6.9, abs=0.05)


def test_the_first_moments_pass_until_a_floor_is_known():
    (start, samples), *others = passed(noise(10.0))
    assert start == 0
    assert 0.5 <= len(samples) / RATE < 1.5
    assert not others


def test_a_word_at_once_passes():
    waveform = np.concatenate([tone("low", 0.4), noise(5.0, 0.001)])
    start, samples = passed(waveform)[0]
    assert start == 0
    assert len(samples) >= 0.4 * RATE


@pytest.mark.parametrize("level", [0.0, 1e-4])
def test_silence_does_not_open_it(level):
    assert not passed(noise(5.0, level))


def test_a_constant_offset_is_silence():
    assert share(0.3 + noise(20.0, 1e-4)) < 0.1


def test_louder_noise_is_the_floor_in_a_while():
    waveform = np.concatenate([noise(10.0, 0.001), noise(20.0, 0.03)])
    _, (start, samples) = passed(waveform)
    assert start / RATE == pytest.approx(9.7, abs=0.05)
    assert (start + len(samples)) / RATE < 10 + 4 + 1.3


def test_after_noise_a_quiet_word_passes():
    quiet = np.concatenate([noise(10.0, 0.03), noise(3.0, 0.0005)])
    word = 0.02 * tone("high", 0.4)
    quiet[11 * RATE : 11 * RATE + len(word)] += word
    starts = [start / RATE for start, _ in passed(quiet)]
    assert starts[-1] == pytest.approx(10.7, abs=0.05)


def test_a_click_does_not_open_it():
    waveform = noise(10.0, 0.01)
    waveform[8 * RATE] = 0.1
    assert len(passed(waveform)) == 1  # the first moments


def test_memory_is_constant():
    gate = Gate(Gating(), RATE)
    for seed in range(50):
        gate.push(noise(1.0, 0.01, seed))
        assert len(gate._kept) < RATE


@needs_shared
@pytest.mark.parametrize("name", ["white_noise", "pink_noise"])
def test_steady_noise_keeps_it_closed(name):
    assert share(load_audio(SHARED / f"noise/{name}.wav", check=False)) < 0.1


@needs_shared
@pytest.mark.parametrize("name", ["white_noise", "pink_noise", "running_tap", "doing_the_dishes"])
def test_every_word_at_10_db_passes_from_its_onset(name):
    """Digits by four speakers, trimmed close, scaled to 10 dB above the noise around them."""
    background = load_audio(SHARED / f"noise/{name}.wav", check=False)
    random = np.random.default_rng(0)
    clips = sorted((SHARED / "digits").glob("*_[5-8].wav"))
    random.shuffle(clips)
    waveform = np.tile(background, 4)
    loudness = np.mean(background**2)
    words, first = [], 2 * RATE
    for path in clips:
        clip = load_audio(path, check=False)
        stop = first + len(clip)
        if stop > len(waveform):
            break
        waveform[first:stop] += clip * np.sqrt(10 * loudness / np.mean(clip**2))
        words.append((first, stop))
        first = stop + round(random.uniform(0.3, 3.0) * RATE)
    stretches = [(start, start + len(samples)) for start, samples in passed(waveform)]
    assert len(words) > 80
    for first, _ in words:
        assert any(start <= first < stop for start, stop in stretches)
    whole = [any(a <= first and stop <= b for a, b in stretches) for first, stop in words]
    assert np.mean(whole) > 0.99


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"margin_db": 0}, "margin_db=0 must be above 0 dB"),
        ({"hangover_seconds": -1}, "hangover_seconds=-1 must be 0 s or above"),
        ({"preroll_seconds": float("nan")}, "preroll_seconds=nan must be"),
        ({"floor_seconds": 0.5}, r"floor_seconds=0\.5 must be 1 s or above"),
        ({"least_db": 3}, "least_db=3 must be finite and at most 0 dB"),
    ],
)
def test_wrong_values(parameters, message):
    with pytest.raises(ConfigurationError, match=message):
        Gating(**parameters)
