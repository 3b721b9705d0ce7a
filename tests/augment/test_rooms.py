"""Rooms: where impulse responses come from, and what a clip sounds like in one."""

import numpy as np
import pytest
import torch
from scipy.signal import butter, fftconvolve, sosfreqz

from speech_rnn.audio import write_audio
from speech_rnn.augment import Augment, band_limit, reverberate
from speech_rnn.augment.rooms import Rooms
from speech_rnn.errors import ConfigurationError, DataError, MissingExtraError
from tests.real import SHARED, needs_shared

RATE = 16_000


def clips(n_clips=3, n_samples=4000, seed=0):
    waveform = torch.randn(n_clips, n_samples, generator=torch.Generator().manual_seed(seed)) / 10
    lengths = torch.tensor([n_samples, n_samples // 2, n_samples // 3])[:n_clips]
    return waveform * (torch.arange(n_samples) < lengths[:, None]), lengths


def test_a_room_is_a_convolution_as_loud_as_the_clip():
    waveform, lengths = clips()
    responses = torch.randn(3, 500, generator=torch.Generator().manual_seed(1))
    found = reverberate(waveform, lengths, responses)
    for row, clip, response, length in zip(found, waveform, responses, lengths, strict=True):
        expected = fftconvolve(clip[:length].numpy(), response.numpy())[:length]
        expected *= np.linalg.norm(clip[:length]) / np.linalg.norm(expected)
        assert row[:length].numpy() == pytest.approx(expected, abs=1e-5)
        assert not row[length:].any()


def test_nothing_in_an_empty_clip_or_a_plain_room():
    waveform, lengths = clips()
    plain = torch.eye(1, 9).expand(3, -1)
    assert torch.allclose(reverberate(waveform, lengths, plain), waveform, atol=1e-6)
    assert not reverberate(0 * waveform, lengths, plain).any()


@pytest.mark.parametrize(("low_hz", "high_hz"), [(300.0, 3400.0), (50.0, 7000.0)])
def test_a_band_is_that_of_butterworth_filters(low_hz, high_hz):
    impulse = torch.zeros(1, 8001)
    impulse[0, 4000] = 1.0
    ends = [torch.tensor([hz]) for hz in (low_hz, high_hz)]
    found = np.abs(np.fft.rfft(band_limit(impulse, torch.tensor([8001]), RATE, *ends)[0].numpy()))
    hz = np.fft.rfftfreq(8001, 1 / RATE)
    # The analogue filter; a digital one bends where its rate ends.
    expected = 1 / np.sqrt((1 + (low_hz / hz.clip(1)) ** 12) * (1 + (hz / high_hz) ** 12))
    assert found == pytest.approx(expected, abs=0.01)
    _, digital = sosfreqz(butter(6, [low_hz, 3400], "band", fs=RATE, output="sos"), hz, fs=RATE)
    middle = (hz > 2 * low_hz) & (hz < 1500)
    assert found[middle] == pytest.approx(np.abs(digital[middle]), abs=0.02)


def test_a_clip_alone_is_the_clip_in_a_batch(tmp_path):
    write_room(tmp_path)
    settings = {"rooms": Rooms([str(tmp_path)]), "reverb_probability": 1.0, "band_probability": 1.0}
    augment = Augment(RATE, **settings, band_low_hz=(300, 300), band_high_hz=(3400, 3400))
    waveform, lengths = clips()
    together, _, _ = augment.waveform(waveform, lengths, torch.Generator().manual_seed(0))
    for row, clip, length in zip(together, waveform, lengths, strict=True):
        generator = torch.Generator().manual_seed(0)
        alone, _, _ = augment.waveform(clip[None, :length], length[None], generator)
        assert torch.allclose(row[:length], alone[0], atol=1e-5)


def test_the_snr_is_exact_behind_a_room(tmp_path):
    write_room(tmp_path)
    wet = {"rooms": Rooms([str(tmp_path)]), "reverb_probability": 1.0}
    noisy = {"noise_probability": 1.0, "noise_snr_db": (5, 5)}
    waveform, lengths = clips()
    dry, _, _ = Augment(RATE, **wet).waveform(waveform, lengths, torch.Generator().manual_seed(0))
    both, _, _ = Augment(RATE, **wet, **noisy).waveform(
        waveform, lengths, torch.Generator().manual_seed(0)
    )
    powers = [clip.square().sum(dim=1) for clip in (dry, both - dry)]
    assert 10 * torch.log10(powers[0] / powers[1]) == pytest.approx(5.0, abs=1e-3)


def write_room(folder):
    response = np.zeros(2000, dtype=np.float32)
    response[[700, 900, 1500]] = 0.9, 0.4, -0.3
    write_audio(folder / "room.wav", response, RATE)


def test_a_response_starts_with_the_direct_sound(tmp_path):
    write_room(tmp_path)
    (response,) = Rooms([str(tmp_path)], seconds=0.02).responses(RATE)
    assert len(response) == 320
    assert response[[0, 200]] == pytest.approx([0.9, 0.4], abs=1e-3)


def test_simulated_rooms_are_those_of_pyroomacoustics():
    pytest.importorskip("pyroomacoustics", reason="needs the extra [rooms]")
    rooms = Rooms(simulated=3, seed=1)
    found = rooms.responses(RATE)
    assert len(found) == 3
    for one, again in zip(found, rooms.responses(RATE), strict=True):
        assert np.array_equal(one, again)
        assert np.abs(one).argmax() == 0
        energy = np.cumsum(one[::-1].astype(np.float64) ** 2)[::-1]  # Schroeder's decay
        assert energy[len(one) // 2] < 0.1 * energy[0]
    hard, soft = (
        Rooms(simulated=1, absorption=(value, value)).responses(RATE)[0] for value in (0.1, 0.9)
    )
    echoes = [np.sum(np.square(one[100:])) / one[0] ** 2 for one in (hard, soft)]
    assert echoes[0] > 3 * echoes[1]


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("decay_seconds", [0.15, 0.4, 0.8])
def test_diffuse_sound_decays_as_fast_as_asked(rate, decay_seconds):
    rooms = Rooms(diffuse=20, decay_seconds=(decay_seconds, decay_seconds))
    found = rooms.responses(rate)
    again = rooms.responses(rate)
    assert len(found) == 20
    for response, other in zip(found, again, strict=True):
        assert np.array_equal(response, other)
        assert response[0] == 1
        assert len(response) == rate // 2
        tail = response[1:].astype(np.float64)
        assert -0.1 < -10 * np.log10(np.sum(tail**2)) < 15.1  # of direct sound over the rest
    energy = sum(np.square(response.astype(np.float64)) for response in found)
    steps = np.arange(rate // 200, int(0.6 * decay_seconds * rate / 2))
    slope, _ = np.polyfit(steps / rate, 10 * np.log10(energy[steps] + 1e-30), 1)
    assert slope == pytest.approx(-60 / decay_seconds, rel=0.1)


@needs_shared
def test_measured_rooms_are_read():
    found = Rooms([str(SHARED / "rir")]).responses(RATE)
    assert len(found) == 7
    assert all(0 < len(response) <= RATE // 2 for response in found)


def test_wrong_settings_are_reported(tmp_path, monkeypatch):
    with pytest.raises(
        ConfigurationError, match="rooms need recordings, or simulated=N, or diffuse"
    ):
        Rooms()
    with pytest.raises(ConfigurationError, match=r"width_m=\[3, 2\] must be"):
        Rooms(simulated=1, width_m=(3, 2))
    with pytest.raises(ConfigurationError, match="must not be above 1"):
        Rooms(simulated=1, absorption=(0.5, 2))
    with pytest.raises(ConfigurationError, match=r"reverb_probability=0.5 needs rooms"):
        Augment(RATE, reverb_probability=0.5)
    with pytest.raises(ConfigurationError, match=r"band_probability=2 must lie in \[0, 1\]"):
        Augment(RATE, band_probability=2)
    with pytest.raises(DataError, match="is neither a sound file nor a folder of them"):
        Rooms([str(tmp_path)]).responses(RATE)
    monkeypatch.setitem(__import__("sys").modules, "pyroomacoustics", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[rooms\]"):
        Rooms(simulated=1).responses(RATE)
