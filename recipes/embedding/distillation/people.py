"""Sounds of people: recorded words, windows of running talk, and single words cut from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from distillation.settings import Settings
from distillation.transcripts import Word
from distillation.windows import SAMPLE_RATE, WINDOW, Sound, trimmed
from speech_rnn.audio import load_audio

AROUND_SECONDS = 0.04
"""Sound before and after a word of talk that is kept."""


def corpus_words(files: Sequence[Path], settings: Settings) -> Iterator[Sound]:
    """Read clips of Speech Commands: the folder is the word, the name begins with the speaker."""
    random = Random(f"{settings.seed}/corpus")
    for file in files:
        waveform = load_audio(file, SAMPLE_RATE, check=False)
        is_cut = random.random() < settings.trimmed
        speaker = file.name.partition("_nohash_")[0]
        yield Sound(trimmed(waveform) if is_cut else waveform, file.parent.name, speaker)


def recorded_words(files: Sequence[Path], settings: Settings) -> Iterator[Sound]:
    """Read clips `<speaker>/<word>_<number>.flac`."""
    random = Random(f"{settings.seed}/words")
    for file in files:
        waveform = load_audio(file, SAMPLE_RATE, check=False)
        is_cut = random.random() < settings.trimmed
        word = file.stem.rpartition("_")[0] or file.stem
        yield Sound(trimmed(waveform) if is_cut else waveform, word, file.parent.name)


def talk(files: Sequence[Path], settings: Settings) -> Iterator[Sound]:
    """Cut running talk into overlapping windows, each slightly later than a regular grid.

    A recording that is not longer than a window is used as one.
    """
    random = Random(f"{settings.seed}/talk")
    for file in files:
        waveform = load_audio(file, SAMPLE_RATE, check=False)
        if len(waveform) <= WINDOW:
            yield Sound(trimmed(waveform), "", speaker_of(file))
        for grid in range(0, len(waveform) - WINDOW, settings.talk_hop):
            late = int(random.random() * settings.talk_hop / 2)
            start = min(len(waveform) - WINDOW, grid + late)
            yield Sound(waveform[start : start + WINDOW], "", speaker_of(file))


def words_of_talk(words: Sequence[Word]) -> Iterator[Sound]:
    """Cut words from talk; the words of a file are consecutive."""
    opened, waveform = "", None
    for word in words:
        if waveform is None or word.file != opened:
            opened, waveform = word.file, load_audio(word.file, SAMPLE_RATE, check=False)
        first = max(0, round((word.start_seconds - AROUND_SECONDS) * SAMPLE_RATE))
        last = round((word.end_seconds + AROUND_SECONDS) * SAMPLE_RATE)
        yield Sound(waveform[first:last], word.text, speaker_of(Path(word.file)))


def speaker_of(file: Path) -> str:
    """Return the speaker of a recording of talk: its name up to the first hyphen."""
    return file.stem.partition("-")[0]
