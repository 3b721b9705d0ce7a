"""Tempo, pitch and vocal tract: what moves, by how much, and what stays."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.augment import Augment, stretch, vocal_tract_warp
from tests.kernels import librosa

RATE = 16_000
FORMANT_HZ = 1200.0
PITCH_HZ = 125.0


def voice(pitch_hz=PITCH_HZ, n_samples=RATE):
    """Harmonics under one formant, (1, N)."""
    time = torch.arange(n_samples) / RATE
    harmonics = torch.arange(pitch_hz, 7000.0, pitch_hz)
    level = torch.exp(-(((harmonics - FORMANT_HZ) / 300) ** 2)) + 0.01
    phases = torch.linspace(0, 50, len(harmonics))[:, None] ** 2
    waves = torch.sin(2 * torch.pi * harmonics[:, None] * time + phases)
    return 0.1 * (level[:, None] * waves).sum(dim=0)[None]


def spectrum(waveform):
    """The middle's magnitudes, a bin a hertz."""
    middle = waveform[0, 3000:-3000].double()
    return torch.fft.rfft(middle * torch.hann_window(len(middle)), n=RATE).abs()


def pitch_of(waveform):
    """The distance of harmonics, in Hz: the comb of ten that fits best."""
    magnitudes = spectrum(waveform)
    combs = np.arange(80, 200, 0.25)
    places = np.rint(combs[:, None] * np.arange(6, 16)).astype(int)
    return combs[magnitudes.log()[places].sum(dim=1).argmax()]


def formant_of(waveform, pitch_hz):
    """The middle of the loud harmonics, in Hz."""
    places = torch.arange(pitch_hz, 4000, pitch_hz)
    power = spectrum(waveform)[places.round().long()].square()
    return float((places * power).sum() / power.sum())


def augmented(waveform, spans=None, **ranges):
    lengths = torch.tensor([waveform.shape[1]] * len(waveform))
    return Augment(RATE, **ranges).waveform(waveform, lengths, torch.Generator(), spans)


def test_the_cost_is_that_of_the_written_file():
    assert pitch_of(voice()) == PITCH_HZ
    assert formant_of(voice(), PITCH_HZ) == pytest.approx(FORMANT_HZ, abs=10)


@pytest.mark.parametrize("semitones", [-4, -2, 0.5, 2, 4])
def test_pitch_moves_by_the_semitones_and_the_duration_stays(semitones):
    higher, lengths, _ = augmented(voice(), pitch_semitones=(semitones, semitones))
    factor = 2 ** (semitones / 12)
    assert abs(int(lengths[0]) - RATE) <= 1
    assert pitch_of(higher) == pytest.approx(PITCH_HZ * factor, abs=0.25)
    assert formant_of(higher, PITCH_HZ * factor) == pytest.approx(FORMANT_HZ * factor, rel=0.02)


@pytest.mark.parametrize("tempo", [0.7, 0.85, 1.15, 1.4])
def test_tempo_changes_the_duration_alone(tempo):
    spoken, lengths, _ = augmented(voice(), tempo=(tempo, tempo))
    assert abs(int(lengths[0]) - RATE / tempo) <= 1
    assert pitch_of(spoken) == pytest.approx(PITCH_HZ, abs=0.25)
    assert formant_of(spoken, PITCH_HZ) == pytest.approx(FORMANT_HZ, rel=0.02)


@pytest.mark.parametrize("factor", [0.85, 0.93, 1.08, 1.15])
def test_a_vocal_tract_moves_the_formant_alone(factor):
    other, lengths, _ = augmented(voice(), vtlp=(factor, factor))
    assert lengths.tolist() == [RATE]
    assert pitch_of(other) == PITCH_HZ
    assert formant_of(other, PITCH_HZ) == pytest.approx(FORMANT_HZ * factor, rel=0.02)


def test_a_short_vocal_tract_leaves_the_end_of_the_band_where_it_is():
    """Above 4.8 kHz the warp is no factor any more: a hiss's edge at 7 kHz hardly moves."""
    hiss = torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    bins = torch.fft.rfft(hiss)
    bins[:, 7000:] *= 0.03
    hiss = torch.fft.irfft(bins, n=RATE)
    warped = vocal_tract_warp(hiss, torch.tensor([RATE]), RATE, torch.tensor([0.8]))
    power = spectrum(warped).square().reshape(-1)[:8000].reshape(80, 100).mean(dim=1)
    edge = 100 * int((power > power[:40].mean() / 20).sum())
    # 3.84 to 8 kHz take the place of 4.8 to 8: 7 kHz comes from 7.23, and so 6.7 goes to 7.
    assert edge == pytest.approx(6700, abs=300)


@pytest.mark.slow
@pytest.mark.parametrize("tempo", [0.75, 1.25])
def test_it_is_librosas_phase_vocoder(tempo):
    """Both steps are exact in binary: no rounding decides which frame comes next."""
    clip = voice(n_samples=128 * 100) * torch.linspace(0.2, 1, 128 * 100)
    spoken, lengths = stretch(clip, torch.tensor([clip.shape[1]]), RATE, torch.tensor([tempo]))
    expected = librosa.effects.time_stretch(clip[0].numpy(), rate=tempo, n_fft=512)
    # All but the last windows, where librosa has none for what follows, and the level.
    middle = slice(0, int(lengths[0]) - 1024)
    ours, theirs = spoken[0, middle].numpy(), expected[middle]
    theirs = theirs * np.linalg.norm(ours) / np.linalg.norm(theirs)
    assert np.abs(ours - theirs).max() < 0.01 * np.abs(theirs).max()


def test_nothing_moves_by_nothing():
    clip, lengths = voice(), torch.tensor([RATE])
    one = torch.ones(1)
    torch.testing.assert_close(stretch(clip, lengths, RATE, one)[0], clip, atol=1e-4, rtol=0)
    torch.testing.assert_close(vocal_tract_warp(clip, lengths, RATE, one), clip, atol=1e-5, rtol=0)


@settings(deadline=None, max_examples=25)
@given(
    length=st.integers(1, 4000),
    n_padding=st.integers(0, 2000),
    factor=st.sampled_from([0.8, 0.97, 1.0, 1.13]),
    rate=st.sampled_from([8000, 16_000]),
)
def test_a_clip_alone_and_in_a_batch(length, n_padding, factor, rate):
    generator = torch.Generator().manual_seed(length)
    clip = torch.randn(1, length, generator=generator)
    other = torch.randn(1, length + n_padding, generator=generator)
    padded = torch.nn.functional.pad(clip, (0, n_padding), value=9.0)  # whatever lies there
    both, lengths = torch.cat([padded, other]), torch.tensor([length, length + n_padding])
    factors = torch.tensor([factor, 1.1])

    alone, alone_lengths = stretch(clip, lengths[:1], rate, factors[:1])
    together, new_lengths = stretch(both, lengths, rate, factors)
    n = int(alone_lengths[0])
    assert int(new_lengths[0]) == n
    torch.testing.assert_close(together[0, :n], alone[0], atol=1e-3, rtol=0)
    assert not together[0, n:].any()

    alone = vocal_tract_warp(clip, lengths[:1], rate, factors[:1])
    together = vocal_tract_warp(both, lengths, rate, factors)
    torch.testing.assert_close(together[0, :length], alone[0], atol=1e-3, rtol=0)
    assert not together[0, length:].any()


@pytest.mark.parametrize(
    "ranges",
    [
        {"tempo": (0.7, 1.4)},
        {"pitch_semitones": (-4, 4)},
        {"tempo": (0.8, 1.2), "pitch_semitones": (-3, 3), "speed": (0.8, 1.2), "lead_ms": (0, 99)},
    ],
    ids=str,
)
def test_times_move_with_the_sound(ranges):
    clip = torch.zeros(8, 12_000)
    clip[:, 5000:7000] = voice(n_samples=2000)
    spans = torch.tensor([[[5000.0, 7000.0]]]).expand(8, -1, -1)
    moved, _, times = augmented(clip, spans, trail_ms=(0, 100), **ranges)
    durations = times[:, 0, 1] - times[:, 0, 0]
    assert len(durations.round().unique()) == 8 or "tempo" not in ranges
    for one, (start, stop) in zip(moved, times[:, 0], strict=True):
        energy = one.square().cumsum(dim=0)
        places = torch.searchsorted(energy, energy[-1] * torch.tensor([0.02, 0.98]))
        assert abs(places[0] - start) <= 300  # a window is 512 samples
        assert abs(places[1] - stop) <= 300


def test_silence_stays_silent():
    silent, *_ = augmented(
        torch.zeros(2, 3000), tempo=(0.8, 1.2), pitch_semitones=(-2, 2), vtlp=(0.8, 1.2)
    )
    assert not silent.any()
