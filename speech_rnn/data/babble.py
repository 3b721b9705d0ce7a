"""Babble noise, from recordings of speech or from the clips of a corpus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from speech_rnn.audio import audio_duration, load_audio
from speech_rnn.data.cache import KnownClips
from speech_rnn.data.corpus import Utterance
from speech_rnn.data.mixing import faded, trim
from speech_rnn.data.splits import hash_percentage
from speech_rnn.samples.integers import FULL_SCALE
from speech_rnn.vocabulary import SILENCE

Samples = NDArray[np.float32]
MOST_CLIPS = 200_000
"""Number of clips of a corpus whose speakers may occur in the babble."""
LEVEL_DB = (-5.0, 5.0)
"""Range of the talkers' levels in dB: some are nearer than others."""
PAUSE_DB = 30.0
"""Level below the loudest 10 ms of a clip at which its word starts and ends, in dB."""


class Talker(Protocol):
    """A function that returns speech of one person."""

    def __call__(self, n_samples: int, random: Generator) -> Samples:
        """Return a stretch of speech, (n_samples,), at any level."""


@dataclass(frozen=True)
class Recorded:
    """The person in a recording; a stretch starts anywhere in it."""

    file: Path
    sample_rate: int

    def __call__(self, n_samples: int, random: Generator) -> Samples:
        """Read a stretch; a recording that is too short is repeated."""
        seconds = n_samples / self.sample_rate
        latest = max(0.0, audio_duration(self.file) - seconds)
        start = float(random.uniform(0, latest))
        samples = load_audio(
            self.file, self.sample_rate, start_seconds=start, duration_seconds=seconds, check=False
        )
        return np.resize(samples, n_samples)


@dataclass(frozen=True)
class Backwards:
    """A speaker of a corpus, whose clips are played backwards in random order.

    Reversed clips sound like speech, but contain none of the words to be recognised.
    """

    clips: Sequence[NDArray[np.int16]]
    sample_rate: int

    def __call__(self, n_samples: int, random: Generator) -> Samples:
        """Join clips, without the silence at their ends."""
        parts: list[Samples] = []
        while sum(map(len, parts)) < n_samples:
            clip = self.clips[int(random.integers(len(self.clips)))].astype(np.float32) / FULL_SCALE
            start, stop = trim(clip, self.sample_rate, PAUSE_DB)
            parts.append(faded(clip[start:stop][::-1].astype(np.float32), self.sample_rate))
        return np.concatenate(parts)[:n_samples]


def babble(talkers: Iterable[Talker], n_samples: int, random: Generator) -> Samples:
    """Return the sum of all talkers, (n_samples,); their powers differ by at most 10 dB."""
    mixed = np.zeros(n_samples, dtype=np.float32)
    for talker in talkers:
        level = 10 ** (random.uniform(*LEVEL_DB) / 20)
        mixed += np.float32(level) * unit_power(talker(n_samples, random))
    return mixed


def unit_power(samples: Samples) -> Samples:
    """Return samples scaled to a mean square of 1; silence is unchanged."""
    power = float(np.mean(samples.astype(np.float64) ** 2)) if len(samples) else 0.0
    return samples * np.float32(power**-0.5) if power > 0 else samples


def talker_of(row: Utterance) -> str:
    """Return the speaker of an utterance, or a name for the utterance if the speaker is unknown."""
    return row.speaker or row.audio


def clips_by_talker(cache: KnownClips) -> dict[str, ClipsOf]:
    """Return the clips of each speaker, without silence; of the first clips, if they are many."""
    found: dict[str, list[int]] = {}
    for index, row in enumerate(islice(cache.utterances, MOST_CLIPS)):
        if row.text != SILENCE and not cache.is_silent(index):
            found.setdefault(talker_of(row), []).append(index)
    return {name: ClipsOf(cache, indices) for name, indices in found.items()}


@dataclass(frozen=True)
class ClipsOf(Sequence[NDArray[np.int16]]):
    """The clips of one speaker, which are read when they are needed."""

    clips: KnownClips
    indices: Sequence[int]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, place: Any) -> Any:
        return self.clips[self.indices[place]]


def sides_of(talkers: Iterable[str]) -> dict[str, int]:
    """Return the side, 0 or 1, of each talker: half of them each, by the rank of the name's hash.

    A clip is mixed only with talkers of the other side, and therefore never with its own speaker.
    """
    ranked = sorted(talkers, key=lambda name: (hash_percentage(name), name))
    return {name: rank % 2 for rank, name in enumerate(ranked)}


def by_side(clips: Mapping[str, Sequence[NDArray[np.int16]]], rate: int) -> list[list[Talker]]:
    """Return, for the clips of each side, the talkers to mix them with: those of the other side."""
    sides = sides_of(clips)
    return [
        [Backwards(own, rate) for name, own in clips.items() if sides[name] != side]
        for side in (0, 1)
    ]
