import numpy as np
import pytest
import torch
from distillation.people import talk
from distillation.settings import Settings
from distillation.windows import (
    FLOOR,
    N_FRAMES,
    N_MELS,
    WINDOW,
    Sound,
    is_written,
    log_mel,
    placed,
    read_part,
    trimmed,
    write_part,
)

from speech_rnn.audio import write_audio

RNG = np.random.default_rng(0)


def test_a_clip_is_cut_to_its_audible_part():
    waveform = RNG.normal(0, 1e-5, 16_000).astype(np.float32)
    waveform[4800:8000] += 0.5 * np.sin(np.arange(3200)).astype(np.float32)
    assert len(trimmed(waveform)) == 3200 + 2 * 800
    assert np.array_equal(trimmed(waveform), waveform[4000:8800])


@pytest.mark.parametrize("n_samples", [0, 100, 16_000])
def test_of_silence_nothing_is_left(n_samples):
    assert len(trimmed(np.zeros(n_samples, np.float32))) == 0


@pytest.mark.parametrize("n_samples", [1600, 9999, WINDOW, 2 * WINDOW])
def test_a_sound_lies_at_its_stated_position(n_samples):
    sound = RNG.normal(0, 0.1, n_samples).astype(np.float32)
    window, start, size = placed(sound, np.random.default_rng(1))
    assert window.shape == (WINDOW,)
    assert size == min(n_samples, WINDOW)
    inside = window[start : start + size] / 32767
    assert np.abs(inside).max() == pytest.approx(0.5, abs=0.001)
    assert np.abs(inside - sound[:size] / np.abs(sound[:size]).max() / 2).max() < 10 * FLOOR
    assert np.abs(np.delete(window, slice(start, start + size)) / 32767).max(initial=0) < 10 * FLOOR


def test_windows_are_read_as_they_were_written(tmp_path):
    sounds = [Sound(RNG.normal(0, 0.1, 8000).astype(np.float32), "one", f"{n}") for n in range(70)]
    silent = Sound(np.zeros(8000, np.float32), "silent", "x")
    short = Sound(np.ones(800, np.float32), "short", "x")
    assert not is_written(tmp_path / "part")
    write_part(tmp_path / "part", "espeak", [*sounds, silent, short], seed=0)
    assert is_written(tmp_path / "part")
    part = read_part(tmp_path / "part")
    assert [clip.speaker for clip in part.clips] == [sound.speaker for sound in sounds]
    assert part.waves.shape == (70, WINDOW)
    assert part.mels.shape == (70, N_FRAMES, N_MELS)
    waveform = torch.from_numpy(part.waves[69].astype(np.float32) / 32767)
    assert np.abs(log_mel()(waveform[None])[0][0].numpy() - part.mels[69]).max() < 0.02
    again = write_part(tmp_path / "again", "espeak", sounds, seed=0)
    assert np.array_equal(again.waves, part.waves)


def test_a_source_without_sounds_is_an_empty_part(tmp_path):
    part = write_part(tmp_path, "flite", [], seed=0)
    assert part.waves.shape == (0, WINDOW)


@pytest.mark.parametrize(("seconds", "n_windows"), [(1.0, 1), (1.5, 1), (1.6, 1), (5.0, 6)])
def test_talk_is_cut_into_windows_that_overlap(tmp_path, seconds, n_windows):
    write_audio(
        tmp_path / "a-1.wav", RNG.normal(0, 0.1, int(seconds * 16_000)).astype(np.float32), 16_000
    )
    sounds = [*talk([tmp_path / "a-1.wav"], Settings())]
    assert len(sounds) == n_windows
    assert {sound.speaker for sound in sounds} == {"a"}
    assert all(len(sound.waveform) <= WINDOW for sound in sounds)
