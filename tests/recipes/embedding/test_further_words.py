"""Telephone numbers are cut into their digits, at pauses or where they are faint."""

from runpy import run_path
from types import SimpleNamespace

import numpy as np

from speech_rnn.audio import write_audio
from tests.test_architecture import ROOT

words = SimpleNamespace(**run_path(str(ROOT / "recipes/embedding/further_words.py")))
RATE = 16_000


def sound(frames):
    """Return noise whose level follows (frames, amplitude) pairs."""
    noise = np.random.default_rng(0).normal(0, 1, RATE * 20).astype(np.float32)
    gain = np.concatenate([np.full(160 * count, level) for count, level in frames])
    return (noise[: len(gain)] * gain).astype(np.float32)


def test_digits_between_pauses():
    spoken = [(30, 1e-3), *[(25, 0.2), (20, 1e-3)] * 7]
    spans = words.between_pauses(words.levels(sound(spoken)), 7)
    starts = [30 + 45 * number for number in range(7)]
    assert np.abs(np.array(spans) - [(start, start + 25) for start in starts]).max() <= 2


def test_digits_in_one_run_are_cut_where_they_are_faint():
    spoken = [(40, 1e-3), *[(25, 0.2), (5, 0.02)] * 7, (40, 1e-3)]
    level = words.levels(sound(spoken))
    spans = words.in_one_run(level, 7)
    starts = [40 + 30 * number for number in range(7)]
    assert np.abs(np.array(spans) - [(start, start + 25) for start in starts]).max() <= 5


def test_a_sound_of_fewer_digits_is_not_cut():
    level = words.levels(sound([(40, 1e-3), *[(25, 0.2), (30, 1e-3)] * 3, (100, 1e-3)]))
    assert words.between_pauses(level, 7) == []
    assert words.in_one_run(level, 7) == []


def test_each_digit_becomes_a_clip_of_its_speaker(tmp_path):
    folder = tmp_path / "audio_data" / "Numbers"
    folder.mkdir(parents=True)
    (tmp_path / "metadata.csv").write_text(
        "file_name,Number\naudio_data/Names/R_a1.wav,(555) 12-34\n"
    )
    write_audio(folder / "R_a1.wav", sound([(30, 1e-3), *[(25, 0.2), (20, 1e-3)] * 7]), RATE)
    cut = list(words.phone_numbers(tmp_path))
    assert [(speaker, word) for speaker, word, _, _ in cut] == [
        ("Ra1", word) for word in ("five", "five", "five", "one", "two", "three", "four")
    ]
    assert all(abs(len(samples) - 160 * 43) <= 160 * 4 for *_, samples in cut)
