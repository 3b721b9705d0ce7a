"""A small corpus of tones to learn from, whose teacher says what the tone is."""

from dataclasses import replace

import numpy as np
from distillation.corpus import open_corpus
from distillation.discriminants import discriminants
from distillation.settings import Settings
from distillation.targets import targets_file
from distillation.teacher import SIZE
from distillation.windows import N_STEPS, STEP, Sound, write_part

WORDS = ("low", "middle", "high")
CODES = np.random.default_rng(7).normal(0, 1, (len(WORDS), SIZE))
"""What the teacher says of each word."""
SMALL = Settings(
    epochs=2,
    batch=8,
    warm_up=2,
    channels=(4, 4, 4),
    projection=8,
    size=8,
    directions=2,
)


def tones(n_clips, seed=0, seconds=0.5):
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * 16_000)) / 16_000
    for number in range(n_clips):
        word = number % len(WORDS)
        hz = 300 * 2 ** (word + rng.normal(0, 0.05))
        yield Sound(np.sin(2 * np.pi * hz * time).astype(np.float32), WORDS[word], str(number % 4))


def part(folder, source="espeak", n_clips=36, seed=0, seconds=0.5):
    """Write windows of tones, and what a teacher that knows its words would say of them."""
    written = write_part(folder, source, tones(n_clips, seed, seconds), seed)
    rng = np.random.default_rng(seed)
    says = rng.normal(0, 0.3, (n_clips, N_STEPS, SIZE))
    for row, clip in enumerate(written.clips):
        first, last = clip.start // STEP, (clip.start + clip.n_samples) // STEP
        says[row, first:last] += CODES[WORDS.index(clip.text)]
    says.astype(np.float16).tofile(targets_file(folder, "teacher"))
    return written


def corpus(folder, settings=SMALL, **about):
    opened = open_corpus([part(folder / "part", **about)], "teacher", settings)
    directions = discriminants(opened, settings.directions)
    return replace(opened, scale=replace(opened.scale, directions=directions))
