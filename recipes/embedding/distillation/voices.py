"""Synthetic voices for thousands of words: espeak-ng, flite and Kokoro."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from shutil import which

import numpy as np

from distillation.settings import Settings
from distillation.windows import SAMPLE_RATE, Sound, trimmed
from speech_rnn.audio import load_audio, resample
from speech_rnn.data.corpus import Corpus
from speech_rnn.data.rng import choose
from speech_rnn.errors import DataError
from speech_rnn.synthesis.command import Spoken
from speech_rnn.synthesis.espeak import HIGH, Synthetic
from speech_rnn.synthesis.espeak_library import Espeak
from speech_rnn.synthesis.kokoro import NeuralVoices
from speech_rnn.synthesis.languages import ENGLISH

RATE_WPM, PITCH, PITCH_RANGE = (120, 240), (20, 80), (10, 90)
HIGH_SHARE = 0.45
FLITE = ("awb", "rms", "kal16", "slt")
FLITE_COMMAND = (
    *("flite", "-voice", "{voice}", "--setf", "duration_stretch={stretch}"),
    *("-t", "{text}", "-o", "{file}"),
)


def espeak(texts: Sequence[str], settings: Settings) -> Iterator[Sound]:
    """Synthesize texts with the training voices of `Synthetic`; its other voices are not used.

    A text that is silent in espeak-ng is left out.
    """
    random, library = Random(f"{settings.seed}/voices"), Espeak()
    families = Synthetic(["word"], "", seed=settings.seed).families()["train"]
    high = [voice for family in families if family in HIGH for voice in family]
    low = [voice for family in families if family not in HIGH for voice in family]
    for text in texts:
        variant = choose(high if random.random() < HIGH_SHARE else low, random)
        accent = choose(ENGLISH, random)
        rate, pitch, pitch_range = (
            round(random.uniform(*ends)) for ends in (RATE_WPM, PITCH, PITCH_RANGE)
        )
        try:
            spoken = library.speak(
                text,
                accent=accent,
                variant=variant,
                rate_wpm=rate,
                pitch=pitch,
                pitch_range=pitch_range,
            )
        except DataError:
            continue
        samples = (spoken / 32768).astype(np.float32)
        waveform = resample(samples, library.sample_rate, SAMPLE_RATE)
        yield Sound(trimmed(waveform), text, f"{accent}+{variant}")


def has_flite() -> bool:
    """Return whether the program is installed."""
    return which("flite") is not None


def flite(texts: Sequence[str], folder: Path, settings: Settings) -> Iterator[Sound]:
    """Synthesize texts with four voices in turn; no voice speaks a text twice."""
    for place, voice in enumerate(FLITE):
        said = tuple(dict.fromkeys(texts[place :: len(FLITE)]))
        if said:
            spoken = Spoken(
                said,
                str(folder),
                command=FLITE_COMMAND,
                voices=(voice,),
                clips=1,
                seed=settings.seed,
            )
            yield from _clips(spoken.prepare())


def kokoro(texts: Sequence[str], folder: Path, settings: Settings) -> Iterator[Sound]:
    """Synthesize texts with Kokoro's voices and blends of them, each text once."""
    said = tuple(dict.fromkeys(texts))
    spoken = NeuralVoices(
        said, str(folder), folder=settings.kokoro, train_clips=1, seed=settings.seed
    )
    yield from _clips(spoken.prepare())


def _clips(corpus: Corpus) -> Iterator[Sound]:
    """Read the clips of a synthesizer."""
    for row in corpus.utterances:
        yield Sound(trimmed(load_audio(row.audio, SAMPLE_RATE)), row.text, row.speaker)
