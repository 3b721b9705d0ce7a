from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.augment import (
    Augment,
    NoiseKinds,
    coloured_noise,
    equalize,
    mask_spans,
    mix,
    mixup,
    shelve,
    time_warp,
)
from speech_rnn.errors import ConfigurationError


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def clips(n_clips=4, n_samples=2000, seed=0):
    waveform = torch.randn(n_clips, n_samples, generator=generator(seed)) * 0.1
    lengths = torch.linspace(n_samples // 2, n_samples, n_clips).long()
    return waveform * (torch.arange(n_samples) < lengths[:, None]), lengths


EVERYTHING = {
    "speed": (0.8, 1.2),
    "lead_ms": (-20, 50),
    "trail_ms": (-20, 50),
    "gain_db": (-10, 10),
    "noise_probability": 0.8,
    "low_shelf_db": (-20, 12),
    "high_shelf_db": (-20, 6),
    "tempo": (0.8, 1.2),
    "pitch_semitones": (-2, 2),
    "vtlp": (0.85, 1.15),
    "equalizer_db": (-9, 9),
    "time_masks": 2,
    "feature_masks": 2,
}


@pytest.mark.parametrize("snr_db", [-10.0, 0.0, 5.0, 20.0])
@pytest.mark.parametrize("tilt", [0.0, 1.0, 2.0])
def test_the_mixing_snr_is_exact(snr_db, tilt):
    waveform, lengths = clips()
    noise = coloured_noise(waveform.shape, torch.full((4,), tilt), generator(1))
    noisy = mix(waveform, noise, lengths, torch.full((4,), snr_db))
    for clean, both, length in zip(waveform, noisy, lengths, strict=True):
        added = (both - clean)[:length]
        ratio = 10 * torch.log10(clean[:length].square().sum() / added.square().sum())
        assert ratio == pytest.approx(snr_db, abs=1e-3)
        assert not both[length:].any()


def test_digital_silence_stays_silent():
    silence, lengths = torch.zeros(2, 100), torch.tensor([100, 50])
    noise = coloured_noise(silence.shape, torch.zeros(2), generator())
    assert not mix(silence, noise, lengths, torch.zeros(2)).any()


def test_noise_colours_have_their_slope():
    noise = coloured_noise((200, 16000), torch.full((200,), 1.0), generator())
    power = torch.fft.rfft(noise).abs().square().mean(dim=0)
    octaves = [power[low : 2 * low].mean() for low in (100, 200, 400, 800, 1600)]
    falls = [float(10 * torch.log10(a / b)) for a, b in pairwise(octaves)]
    assert falls == pytest.approx([3.01] * 4, abs=0.2)  # pink: 3 dB an octave


@pytest.mark.parametrize(
    ("hz", "change_db"),
    [(25, -20.0), (200, -10.0), (650, 0.0), (2000, 3.0), (7000, 6.0)],
)
def test_shelves_change_the_level_below_and_above_their_corners(hz, change_db):
    tone = torch.sin(2 * torch.pi * hz * torch.arange(16000) / 16000)[None]
    low_db, low_hz, high_db, high_hz = torch.tensor([[-20.0], [200.0], [6.0], [2000.0]])
    shelved = shelve(
        tone,
        torch.tensor([16000]),
        16000,
        low_db=low_db,
        low_hz=low_hz,
        high_db=high_db,
        high_hz=high_hz,
    )
    middle = slice(4000, 12000)
    ratio = shelved[0, middle].square().sum() / tone[0, middle].square().sum()
    assert 10 * torch.log10(ratio) == pytest.approx(change_db, abs=0.3)


@pytest.mark.parametrize(
    ("hz", "change_db"),
    [(1000, 9.0), (707, 4.5), (1414, 4.5), (500, 0.56), (4000, -6.0), (5657, -0.375), (100, 0.0)],
)
def test_an_equaliser_has_bells_at_its_peaks(hz, change_db):
    """Half an octave from a peak half of its change is left, two half octaves away 1 / 2^4."""
    tone = torch.sin(2 * torch.pi * hz * torch.arange(16000) / 16000)[None]
    peak_db, peak_hz = torch.tensor([[9.0, -6.0]]), torch.tensor([[1000.0, 4000.0]])
    octaves = torch.tensor([[0.5, 0.25]])
    changed = equalize(
        tone, torch.tensor([16000]), 16000, peak_db=peak_db, peak_hz=peak_hz, octaves=octaves
    )
    middle = slice(4000, 12000)
    ratio = changed[0, middle].square().sum() / tone[0, middle].square().sum()
    assert 10 * torch.log10(ratio) == pytest.approx(change_db, abs=0.1)


def test_an_equaliser_draws_for_each_clip():
    click = torch.zeros(6, 16000)
    click[:, 8000] = 1.0
    augment = Augment(equalizer_db=(6, 9), equalizer_bands=2)
    changed, *_ = augment.waveform(click, torch.full((6,), 16000), generator())
    change_db = 20 * torch.log10(torch.fft.rfft(changed).abs())  # a bin a hertz
    peaks = change_db.argmax(dim=1)
    assert len(peaks.unique()) == 6
    assert peaks.min() >= 59
    assert peaks.max() <= 7201
    assert change_db.max() <= 18
    assert (change_db.max(dim=1).values >= 5.9).all()


def test_speed_moves_a_tone():
    time = torch.arange(16000) / 16000
    tone = torch.sin(2 * torch.pi * 500 * time)[None]
    warped, lengths = time_warp(
        tone,
        torch.tensor([16000]),
        speed=torch.tensor([1.25]),
        lead=torch.zeros(1),
        trail=torch.zeros(1),
    )
    assert lengths.tolist() == [12800]
    peak = torch.fft.rfft(warped[0]).abs().argmax() * 16000 / 12800
    assert peak == pytest.approx(625, abs=2)


@given(lead=st.integers(-200, 300), trail=st.integers(-200, 300))
def test_lead_and_trail_are_silence_or_a_cut(lead, trail):
    waveform, lengths = clips(1, 1000)
    warped, new_lengths = time_warp(
        waveform,
        lengths,
        speed=torch.ones(1),
        lead=torch.tensor([float(lead)]),
        trail=torch.tensor([float(trail)]),
    )
    length = int(lengths[0])
    padded = torch.zeros(length + 2 * 300 + 600)
    padded[600 : 600 + length] = waveform[0, :length]
    expected = padded[600 - lead : 600 + length + trail]
    assert int(new_lengths[0]) == len(expected)
    torch.testing.assert_close(warped[0], expected)


@settings(deadline=None)
@given(n_padding=st.integers(0, 500), seed=st.integers(0, 100))
def test_padding_changes_nothing(n_padding, seed):
    waveform, lengths = clips()
    padded = torch.nn.functional.pad(waveform, (0, n_padding))
    augment = Augment(**EVERYTHING | {"noise_probability": 0.0})
    once, once_lengths, _ = augment.waveform(waveform, lengths, generator(seed))
    again, again_lengths, _ = augment.waveform(padded, lengths, generator(seed))
    assert torch.equal(once, again)
    assert torch.equal(once_lengths, again_lengths)


def test_the_same_generator_draws_the_same():
    waveform, lengths = clips()
    augment = Augment(**EVERYTHING)
    augment.set_noise([torch.randn(5000, generator=generator(3))])
    first = augment.waveform(waveform, lengths, generator(7))
    second = augment.waveform(waveform, lengths, generator(7))
    other = augment.waveform(waveform, lengths, generator(8))
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[1], other[1])


def test_nothing_is_off_by_default():
    waveform, lengths = clips()
    frames = torch.randn(4, 30, 10, generator=generator())
    augment = Augment()
    same, same_lengths, _ = augment.waveform(waveform, lengths, generator())
    torch.testing.assert_close(same, waveform)
    assert torch.equal(same_lengths, lengths)
    assert torch.equal(augment.frames(frames, torch.full((4,), 30), generator()), frames)


def test_times_move_with_the_sound():
    waveform = torch.zeros(2, 8000)
    waveform[:, 3000:3100] = 1.0
    spans = torch.tensor([[[3000.0, 3100.0]], [[3000.0, 3100.0]]])
    augment = Augment(speed=(0.5, 2.0), lead_ms=(-50, 100), trail_ms=(0, 100))
    for seed in range(20):
        moved, _, times = augment.waveform(
            waveform, torch.tensor([8000, 8000]), generator(seed), spans
        )
        for clip, (start, stop) in zip(moved, times[:, 0], strict=True):
            (inside,) = torch.nonzero(clip > 0.5, as_tuple=True)
            assert abs(inside[0] - start) <= 2
            assert abs(inside[-1] + 1 - stop) <= 2


def test_recorded_noise_is_used():
    waveform, lengths = clips()
    augment = Augment(noise_probability=1.0, noise_snr_db=(0, 0), recorded_share=1.0)
    augment.set_noise([torch.ones(4000)])
    noisy, *_ = augment.waveform(waveform, lengths, generator())
    added = (noisy - waveform)[0, : lengths[0]]
    assert added.std() < 1e-6
    assert added.mean() > 0


def sines(hz, n_samples=16000):
    return np.sin(2 * np.pi * hz * np.arange(n_samples) / 16000).astype(np.float32)


def with_kinds(sides=None, **settings):
    """Return an augmentation whose kinds are tones, those of babble one for each side."""
    augment = Augment(noise_probability=1.0, **settings)
    kinds = {hz: (sines(hz, 16000 + hz),) * 2 for hz in (500, 1000, 2000)}
    augment.set_kinds(kinds | {"babble": (sines(4000), sines(6000))}, sides or {})
    return augment


def added_hz(noisy, clean, below_db=15):
    """Return the frequencies in Hz of the tones that were added to each clip of a second."""
    power = torch.fft.rfft((noisy - clean) * torch.hann_window(16000)).abs().square()
    near = power > power.max(dim=1, keepdim=True).values * 10 ** (-below_db / 10)
    return [{round(place / 100) * 100 for place in row.nonzero()[:, 0].tolist()} for row in near]


@settings(deadline=None, max_examples=20)
@given(snr_db=st.floats(-10, 30), seed=st.integers(0, 100))
def test_the_snr_over_noise_of_kinds_is_exact(snr_db, seed):
    waveform, lengths = clips(n_clips=8)
    augment = with_kinds(noise_snr_db=(snr_db, snr_db))
    noisy, *_ = augment.waveform(waveform, lengths, generator(seed))
    for clean, both, length in zip(waveform, noisy, lengths, strict=True):
        added = (both - clean)[:length].double()
        ratio = 10 * torch.log10(clean[:length].double().square().sum() / added.square().sum())
        assert ratio == pytest.approx(snr_db, abs=0.01)
        assert not both[length:].any()


@pytest.mark.slow
def test_kinds_are_equally_frequent_and_three_in_ten_clips_hear_two():
    waveform = torch.randn(400, 16000, generator=generator(1))
    lengths = torch.full((400,), 16000)
    augment = with_kinds(noise_snr_db=(0, 0))
    heard = added_hz(augment.waveform(waveform, lengths, generator())[0], waveform)
    assert max(map(len, heard)) == 2
    n_pairs = sum(len(tones) == 2 for tones in heard)
    assert n_pairs == pytest.approx(400 * 0.3 * 3 / 4, abs=30)  # the second may be of the same kind
    alone = Counter(hz for tones in heard if len(tones) == 1 for hz in tones)
    for hz in (500, 1000, 2000, 4000):
        assert alone[hz] == pytest.approx((400 - n_pairs) / 4, abs=30)


def test_no_speaker_is_mixed_with_their_own_voice():
    waveform = torch.randn(200, 16000, generator=generator(1))
    lengths = torch.full((200,), 16000)
    talkers = ["anna", "ben"] * 100
    augment = with_kinds({"anna": 0, "ben": 1}, noise_snr_db=(0, 0))
    noisy, *_ = augment.waveform(waveform, lengths, generator(), talkers=talkers)
    heard = added_hz(noisy, waveform)
    assert set().union(*heard[0::2]) == {500, 1000, 2000, 4000}
    assert set().union(*heard[1::2]) == {500, 1000, 2000, 6000}


def test_noise_of_kinds_goes_on_beyond_its_end():
    kinds = NoiseKinds()
    kinds.set({"short": (np.arange(5, dtype=np.float32),) * 2})
    place = torch.tensor([0.0, 0.7])
    found = kinds(7, torch.zeros(2), place, torch.tensor([0, 1]))
    assert found.tolist() == [[0, 1, 2, 3, 4, 0, 1], [3, 4, 0, 1, 2, 3, 4]]
    assert len(kinds.samples) == 5  # kept once for both sides


def test_silent_noise_leaves_a_clip_as_it_is():
    waveform, lengths = clips()
    loud = waveform * 10
    assert torch.equal(mix(loud, torch.zeros_like(loud), lengths, torch.zeros(4)), loud)


def test_masked_values_are_the_mean():
    frames = torch.randn(3, 40, 8, generator=generator())
    lengths = torch.tensor([40, 20, 1])
    frames = frames * (torch.arange(40) < lengths[:, None])[:, :, None]
    augment = Augment(time_masks=2, time_mask_frames=10, feature_masks=1, feature_mask_size=3)
    masked = augment.frames(frames, lengths, generator(2))
    mean = frames.sum(dim=1, keepdim=True) / lengths[:, None, None]
    changed = masked != frames
    assert changed.any()
    assert torch.equal(masked[changed], mean.expand_as(frames)[changed])
    assert not masked[1, 20:].any()


@pytest.mark.parametrize("partner", [[1, 0, 2], [2, 0, 1]])
def test_mixup_weighs_frames_and_the_mean_goes_on(partner):
    frames = torch.randn(3, 6, 4, generator=generator())
    lengths, share = torch.tensor([6, 3, 4]), torch.tensor([0.25, 0.9, 1.0])
    frames = frames * (torch.arange(6) < lengths[:, None])[:, :, None]
    mixed, new_lengths = mixup(frames, lengths, torch.tensor(partner), share)
    for place, other in enumerate(partner):
        own, theirs = (frames[one, : lengths[one]].tolist() for one in (place, other))
        n_steps = max(len(own), len(theirs))
        assert new_lengths[place] == n_steps
        own += [torch.tensor(own).mean(dim=0).tolist()] * (n_steps - len(own))
        theirs += [torch.tensor(theirs).mean(dim=0).tolist()] * (n_steps - len(theirs))
        expected = share[place] * torch.tensor(own) + (1 - share[place]) * torch.tensor(theirs)
        torch.testing.assert_close(mixed[place, :n_steps], expected)
        assert not mixed[place, n_steps:].any()


@given(length=st.integers(0, 20), longest=st.integers(0, 30), seed=st.integers(0, 50))
def test_spans_lie_within_their_length(length, longest, seed):
    (span,) = mask_spans(torch.tensor([length]), 20, longest, generator(seed))
    places = span.nonzero().flatten().tolist()
    assert len(places) <= min(length, longest)
    assert places == list(range(places[0], places[-1] + 1)) if places else True
    assert not places or places[-1] < length


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"speed": (0, 1)}, r"speed=\[0, 1\] must be a pair .* above 0.1"),
        ({"speed": (0.004, 1)}, r"speed=\[0.004, 1\] must be a pair .* above 0.1"),
        ({"gain_db": (3, 1)}, r"gain_db=\[3, 1\] must be a pair of numbers"),
        ({"noise_snr_db": ("loud", 3)}, "noise_snr_db=.* must be a pair of numbers"),
        ({"lead_ms": (1, 2, 3)}, "lead_ms=.* must be a pair"),
        ({"tempo": (0, 1)}, r"tempo=\[0, 1\] must be a pair .* above 0.1"),
        ({"pitch_semitones": (2, -2)}, r"pitch_semitones=\[2, -2\] must be a pair"),
        ({"vtlp": (0.0, 1)}, r"vtlp=\[0.0, 1\] must be a pair .* above 0"),
        ({"equalizer_db": (9, -9)}, r"equalizer_db=\[9, -9\] must be a pair"),
        ({"equalizer_bands": 0}, "equalizer_bands=0 must be 1 or more; equalizer_db=null is off"),
        ({"noise_probability": 2.0}, r"noise_probability=2.0 must lie in \[0, 1\]"),
    ],
)
def test_wrong_parameters(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        Augment(**wrong)
