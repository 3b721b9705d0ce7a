"""The parts that all synthesizers share: the drawing of clips, and the cache."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import resample, write_audio
from speech_rnn.data.corpus import SPLITS, Corpus, Utterance
from speech_rnn.data.rng import check_ranges, shuffled
from speech_rnn.errors import AudioError, ConfigurationError, DataError
from speech_rnn.synthesis.words import check_words

if TYPE_CHECKING:
    from typing_extensions import Self

_EDGE = 0.01
T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clip:
    """A clip, and everything that its samples depend on in addition to the name of the cache.

    Parameters
    ----------
    path : file in the cache.
    text, split, speaker : its row of the corpus.
    voice : settings of the synthesizer.
    silence_seconds : silence before and after the word, in seconds.
    peak_db : level of its peak, in dB relative to full scale.
    """

    path: Path
    text: str
    split: str
    speaker: str
    voice: Any
    silence_seconds: tuple[float, float]
    peak_db: float


@dataclass(frozen=True)
class CachedVoices:
    """Words or phrases spoken by a synthesizer, cached as 16-bit WAV files below `root`.

    Each clip depends only on the seed and its own name, so that other words, or more clips, do not
    change it. The folder of the cache is named by a hash of everything that affects the samples.
    Cached clips are not made again, so that a run that was killed continues where it stopped.

    Parameters
    ----------
    words : the classes, each a word or a phrase such as ``lights on``.
    root : folder in which synthetic clips are stored.
    silence_seconds : shortest and longest silence before, and after, the word, in seconds.
    peak_db : lowest and highest peak level of a clip, in dB relative to full scale.
    sample_rate : sample rate of the files, in Hz.
    seed : seed of all draws and of the split of the voices.

    Raises
    ------
    ConfigurationError
        if values are out of range, or words are empty, given twice or not texts; the error lists
        all of them.
    """

    words: Sequence[str]
    root: str
    silence_seconds: Sequence[float] = (0.05, 0.3)
    peak_db: Sequence[float] = (-20.0, -1.0)
    sample_rate: int = 16_000
    seed: int = 0

    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {}
    splits: ClassVar[Sequence[str]] = SPLITS

    def __post_init__(self) -> None:
        for name in (f"{split}_clips" for split in SPLITS):
            if (clips := getattr(self, name, 0)) < 0:
                raise ConfigurationError(f"{name}={clips!r} must be 0 or more")
        if self.sample_rate < 1:
            raise ConfigurationError(f"sample_rate={self.sample_rate!r} must be above 0, in Hz")
        check_ranges(self, {**self.ranges, "silence_seconds": (0, 60), "peak_db": (-90, 0)})
        check_words(self.words)

    def speaking(self, words: Sequence[str], split: str, clips: int) -> Self:
        """Return the same voices, which speak other words for one of their `splits` only.

        Parameters
        ----------
        words : the other words.
        split : the split of all clips.
        clips : number of clips of each word.
        """
        counts: dict[str, Any] = {
            f"{each}_clips": clips if each == split else 0 for each in self.splits
        }
        return replace(self, words=words, **counts)

    def cache(self, kind: str, values: Any) -> Path:
        """Return the folder of clips that are made with these values."""
        digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
        return Path(self.root) / f"{kind}-{digest[:12]}"

    def pairs(self, *names: str) -> dict[str, list[float]]:
        """Return parameters that are ranges, in the form that enters the name of the cache."""
        return {name: [float(value) for value in getattr(self, name)] for name in names}

    def plan(
        self,
        folder: Path,
        voices: Mapping[str, Sequence[T]],
        draw: Callable[[Sequence[T], int, Random], tuple[str, str, Any]],
    ) -> Iterator[Clip]:
        """Draw all clips; all voices of a split speak a word before one of them repeats it.

        Parameters
        ----------
        folder : folder of the cache.
        voices : voices of each split.
        draw : function that takes the voices in order, the number of a clip and a generator, and
            returns speaker, file name and `Clip.voice`.
        """
        for word in self.words:
            for split in voices:
                order = shuffled(voices[split], Random(f"{self.seed}/{split}/{word}"))
                for index in range(getattr(self, f"{split}_clips")):
                    random = Random(f"{self.seed}/{split}/{word}/{index}")
                    speaker, name, voice = draw(order, index, random)
                    file = folder / word_folder(word) / f"{split}-{index:04d}-{name}.wav"
                    yield self.clip(file, word, split, speaker, voice, random)

    def clip(
        self, path: Path, word: str, split: str, speaker: str, voice: Any, random: Random
    ) -> Clip:
        """Draw the silences and the level of a clip."""
        lead, trail = (random.uniform(*self.silence_seconds) for _ in range(2))
        return Clip(path, word, split, speaker, voice, (lead, trail), random.uniform(*self.peak_db))

    def spoken(self, clips: Iterable[Clip], speak: Callable[[list[Clip]], None]) -> Corpus:
        """Synthesize the clips that are not in the cache, and return a corpus of all clips.

        Raises
        ------
        DataError
            if the cache cannot be written.
        """
        clips = list(clips)
        if missing := [clip for clip in clips if not clip.path.exists()]:
            log.info("synthetic speech: %d clips are made for %s", len(missing), self.root)
            try:
                speak(missing)
            except (OSError, AudioError) as error:
                raise DataError(
                    f"root={self.root!r} cannot be written: {error}; free some space or name "
                    "another folder; finished clips are kept"
                ) from error
        rows = (Utterance(str(clip.path), clip.text, clip.speaker, clip.split) for clip in clips)
        words = tuple(self.words)
        return Corpus(tuple(rows), words, synthetic=words)


def word_folder(word: str) -> str:
    """Return the folder of a word within a cache, as a name that any file system accepts."""
    return quote(word.replace(" ", "_"), safe="")


def put_clip(clip: Clip, spoken: NDArray[np.float32], spoken_rate: int, sample_rate: int) -> None:
    """Write speech (N,), trimmed to the word, with the clip's level and silences.

    The word starts and ends where its level reaches a hundredth of the peak.
    """
    loudness = np.abs(spoken)
    audible = np.flatnonzero(loudness >= _EDGE * loudness.max())
    word = spoken[audible[0] : audible[-1] + 1] / loudness.max()
    word = resample(word, spoken_rate, sample_rate)
    word *= 10 ** (clip.peak_db / 20) / np.abs(word).max()
    silences = [round(seconds * sample_rate) for seconds in clip.silence_seconds]
    clip.path.parent.mkdir(parents=True, exist_ok=True)
    write_audio(clip.path, np.pad(word, silences), sample_rate)
