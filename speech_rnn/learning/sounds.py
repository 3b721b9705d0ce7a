"""Negative examples for a new word: synthetic voices of other words, noise, the user's room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import load_audio
from speech_rnn.audio.finding import sound_files
from speech_rnn.data.mixing import pink_noise
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.synthesis.espeak import Synthetic
from speech_rnn.synthesis.espeak_library import Espeak
from speech_rnn.synthesis.languages import accents_of
from speech_rnn.synthesis.ordinary import ordinary_words

Samples = NDArray[np.float32]

MOST_SECONDS = 600.0
"""Longest duration of a background that is read, over all its files, in seconds."""
BLOCK_SECONDS = 10.0
"""Blocks of a background are alternately learnt from and used to count false accepts."""
PIECE_SECONDS = 1.5
LEVELS_DB = (-60.0, -45.0, -30.0, -20.0)
"""Levels of the pink noise, in dB relative to full scale."""
FREQUENT, EACH = 600, 15
"""Number of frequent words considered, and the step between the words that are chosen."""


def speak(words: Sequence[str], clips: int, language: str, rate: int) -> dict[str, list[Samples]]:
    """Return clips of words in espeak-ng's voices; words that it cannot speak are left out.

    Parameters
    ----------
    clips : number of clips of each word, in about as many voices; at least 3.
    language : language of the voices, such as ``de``.
    rate : sample rate in Hz.

    Raises
    ------
    MissingExtraError
        if ``espeakng_loader`` is not installed.
    ConfigurationError
        if espeak-ng does not speak the language.
    """
    accents_of(language, Espeak().accents)
    held_out = max(1, clips // 6)
    spoken: dict[str, list[Samples]] = {}

    def add(some: Sequence[str]) -> None:
        with TemporaryDirectory() as root:
            source = Synthetic(
                some,
                root,
                sample_rate=rate,
                train_clips=max(1, clips - 2 * held_out),
                validation_clips=held_out,
                test_clips=held_out,
                language=language,
            )
            for row in source.prepare().utterances:
                clip = load_audio(row.audio, rate, check=False)
                spoken.setdefault(row.text, []).append(clip)

    try:
        add(words)
    except (ConfigurationError, DataError):  # of some of them: a name in other letters, homophones
        for word in words:
            with suppress(ConfigurationError, DataError):
                add([word])
    return spoken


def other_words(words: Sequence[str], language: str) -> list[str]:
    """Return ordinary words of a language that sound like none of `words`.

    The words are English if there is no word list for the language.

    Raises
    ------
    MissingExtraError
        if ``espeakng_loader`` or ``wordfreq`` is not installed.
    """
    try:
        found = ordinary_words(words, language, FREQUENT)
    except DataError:
        found = ordinary_words(words, "en", FREQUENT)
    return found[::EACH]


def silence(rate: int) -> list[Samples]:
    """Return one second of silence, and of pink noise at several levels."""
    noise = [pink_noise(rate, seed) for seed in range(len(LEVELS_DB))]
    return [
        np.zeros(rate, np.float32),
        *(
            (each * (10 ** (level / 20) / np.abs(each).max())).astype(np.float32)
            for each, level in zip(noise, LEVELS_DB, strict=True)
        ),
    ]


@dataclass(frozen=True)
class Background:
    """Sound in which the words are not spoken, in two halves.

    Parameters
    ----------
    learnt, counted : blocks (n,) to learn from, and blocks in which false accepts are counted.
    sample_rate : sample rate in Hz.
    """

    learnt: Sequence[Samples]
    counted: Sequence[Samples]
    sample_rate: int

    @classmethod
    def read(cls, path: str, sample_rate: int) -> Background:
        """Read up to ten minutes of a sound file or of the files of a folder, evenly spread.

        Raises
        ------
        DataError, AudioError
            if the path holds no sound, or a file cannot be read.
        ConfigurationError
            if there are less than three seconds of sound.
        """
        files = sound_files(path, "background")
        share = max(2 * BLOCK_SECONDS, MOST_SECONDS / len(files))
        blocks: list[Samples] = []
        left = MOST_SECONDS
        for file in files:
            if left <= 0:
                break
            seconds = min(share, left)
            sound = load_audio(file, sample_rate, duration_seconds=seconds, check=False)
            left -= len(sound) / sample_rate
            size = min(round(BLOCK_SECONDS * sample_rate), -(-len(sound) // 2))
            blocks += [sound[start : start + size] for start in range(0, len(sound), size)]
        if sum(map(len, blocks)) < 2 * PIECE_SECONDS * sample_rate:
            raise ConfigurationError(
                f"background={path!r} has less than {2 * PIECE_SECONDS:g} s of sound; give more"
            )
        return cls(blocks[::2], blocks[1::2], sample_rate)

    @property
    def counted_seconds(self) -> float:
        """The duration in which false accepts are counted."""
        return sum(map(len, self.counted)) / self.sample_rate

    def pieces(self) -> Iterator[Samples]:
        """Yield the pieces to learn from."""
        size = round(PIECE_SECONDS * self.sample_rate)
        for block in self.learnt:
            yield from (block[start : start + size] for start in range(0, len(block), size))
