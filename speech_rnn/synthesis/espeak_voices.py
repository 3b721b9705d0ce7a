"""Any words, spoken by espeak-ng's voices; the voices of the test are never heard in training."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple
from urllib.parse import quote

import numpy as np

from speech_rnn.data.corpus import SPLITS, Corpus, Utterance
from speech_rnn.data.rng import choose, shuffled
from speech_rnn.errors import ConfigurationError, DataError, did_you_mean
from speech_rnn.synthesis.clip_cache import (
    cache_name,
    check_ranges,
    check_words,
    filling,
    put_clip,
    refuse_words,
    word_folder,
)
from speech_rnn.synthesis.espeak import Espeak

__all__ = ["ACCENTS", "Synthetic"]

log = logging.getLogger(__name__)

ACCENTS = (
    "en-us",
    "en-gb",
    "en-029",  # Caribbean
    "en-gb-scotland",
    "en-gb-x-gbclan",  # Lancaster
    "en-gb-x-gbcwmd",  # West Midlands
    "en-gb-x-rp",  # received pronunciation
    "en-us-nyc",
)

# The variants of espeak-ng 1.52, a family a line: those whose formants 1 to 5 differ by 2 % or
# less on average, and revisions of one design, are one person to the ear and stay in one split.
# 82 of 104. Left out:
# - zac, Alicia, whisper, whisperf: least understood of all by two judges that had not heard them,
#   a recogniser trained on three quarters of the variants (38 to 90 % of ten commands; the median
#   is 100 %) and one trained on real digits (32 to 42 %; the median is 65 %);
# - the other voices under an effect: robosoft 1 to 8, RicishayMax 1 to 3, UniRobot, anikaRobot,
#   announcer, Demonic; fast, which is the plain voice;
# - Reed and caleb, whose breath comes from C's rand(): no two clips are alike.
_HIGH = (
    ("Andrea",),
    ("Annie",),
    ("anika",),
    ("aunty", "f4"),
    ("belinda", "linda"),
    ("f1",),
    ("f2", "f5"),
    ("f3",),
    ("grandma",),
    ("shelby",),
    ("steph", "steph2", "steph3"),
)
_LOW = (
    (
        *("Alex", "Mike", "Mr serious", "Tweaky", "croak", "grandpa", "john", "m3", "m6"),
        *("max", "paul", "pedro"),
    ),
    ("Andy", "AnxiousAndy"),
    ("Denis", "victor"),
    ("Diogo", "Henrique", "Hugo", "michel", "miguel"),
    ("Gene", "Gene2"),
    ("Jacky",),
    ("Lee",),
    ("Marco",),
    ("Mario",),
    ("Michael",),
    ("Nguyen",),
    ("Storm",),
    ("adam", "benjamin", "klatt", "klatt2", "klatt3", "klatt4", "klatt5", "klatt6"),
    ("antonio",),
    ("boris",),
    ("david",),
    ("ed",),
    ("edward", "edward2", "mike2"),
    ("gustave",),
    ("ian",),
    ("iven", "iven2", "iven3", "iven4"),
    ("kaukovalta",),
    ("m1",),
    ("m2",),
    ("m4",),
    ("m5",),
    ("m7",),
    ("m8",),
    ("marcelo",),
    ("norbert",),
    ("pablo",),
    ("quincy",),
    ("rob", "robert"),
    ("sandro",),
    ("travis",),
)
# Families are dealt in this order, high and low ones apart: 27 to train, 7 to validation and 12
# to test.
_DEAL = ("test", "train", "validation", "train", "test", "train", "train", "train")

# Part of the cache's name: raise it when the same parameters come to give other samples.
_FORMAT = 1


class _Clip(NamedTuple):
    """All that a clip depends on."""

    path: Path
    text: str
    split: str
    accent: str
    variant: str
    rate_wpm: int
    pitch: int
    pitch_range: int
    lead_seconds: float
    trail_seconds: float
    peak_db: float


@dataclass(frozen=True)
class Synthetic:
    """Words or phrases spoken by espeak-ng, cached as 16-bit WAV files under `root`.

    Each clip draws a voice of its split, an accent, rate, pitch and pitch range, silence around
    the word and a level, from the seed and its own name alone: other words, or more clips, leave
    it as it is. The cache's folder is named by a hash of everything that shapes the samples; what
    is there is not made again, so that a run that was killed goes on where it was.

    Parameters
    ----------
    words : what is said, each a class; words that go together, such as ``lights on``, are one.
    root : where the sounds are kept.
    train_clips, validation_clips, test_clips : of each word.
    accents : language codes of espeak-ng, any language.
    rate_wpm : lowest and highest rate in words a minute, within 80 and 450.
    pitch, pitch_range : lowest and highest, within 0 and 99, relative to each voice's own.
    silence_seconds : shortest and longest silence before, and after, the word.
    peak_db : lowest and highest level of a clip's peak, in dB of full scale.
    sample_rate : of the files, in Hz.
    seed : of all that is drawn, and of the split of the voices.

    Raises
    ------
    ConfigurationError
        for values outside of these ranges, and for words that are empty, given twice or no texts:
        all of them at once.
    """

    words: Sequence[str]
    root: str
    train_clips: int = 160
    validation_clips: int = 30
    test_clips: int = 50
    accents: Sequence[str] = ACCENTS
    rate_wpm: Sequence[int] = (130, 220)
    pitch: Sequence[int] = (25, 75)
    pitch_range: Sequence[int] = (20, 80)
    silence_seconds: Sequence[float] = (0.05, 0.3)
    peak_db: Sequence[float] = (-20.0, -1.0)
    sample_rate: int = 16_000
    seed: int = 0

    def __post_init__(self) -> None:
        for split in SPLITS:
            if (clips := getattr(self, f"{split}_clips")) < 1:
                raise ConfigurationError(f"{split}_clips={clips!r} must be 1 or more")
        if not self.accents:
            raise ConfigurationError("accents=[] leaves nobody to speak; name at least one")
        if self.sample_rate < 1:
            raise ConfigurationError(f"sample_rate={self.sample_rate!r} must be above 0, in Hz")
        limits = {
            "rate_wpm": (80, 450),
            "pitch": (0, 99),
            "pitch_range": (0, 99),
            "silence_seconds": (0, 60),
            "peak_db": (-90, 0),
        }
        check_ranges(self, limits)
        check_words(self.words)

    def prepare(self) -> Corpus:
        """Speak whatever is not in the cache, and list all clips.

        Raises
        ------
        MissingExtraError
            if ``espeakng_loader`` is not installed.
        ConfigurationError
            for accents that espeak-ng lacks, for words of which it says nothing and for words
            that sound the same: all of them at once.
        DataError
            if the cache cannot be written.
        """
        espeak = Espeak()
        self._check_accents(espeak)
        self._check_words(espeak)
        clips = list(self._plan(Path(self.root) / self._key(espeak)))
        missing = [clip for clip in clips if not clip.path.exists()]
        if missing:
            log.info("espeak-ng speaks %d clips for %s", len(missing), self.root)
        with filling(self.root):
            for clip in missing:
                self._make(clip, espeak)
        rows = (Utterance(str(clip.path), clip.text, clip.variant, clip.split) for clip in clips)
        words = tuple(self.words)
        return Corpus(tuple(rows), words, synthetic=words)

    def _check_accents(self, espeak: Espeak) -> None:
        if wrong := [str(accent) for accent in self.accents if accent not in espeak.accents]:
            english = ", ".join(code for code in sorted(espeak.accents) if code.startswith("en"))
            raise ConfigurationError(
                f"accents={', '.join(map(repr, wrong))}: espeak-ng {espeak.version} has none of "
                f"the name; English ones are {english}{did_you_mean(wrong, espeak.accents)}"
            )

    def _check_words(self, espeak: Espeak) -> None:
        wrong = []
        heard: dict[bytes, str] = {}
        for word in self.words:
            try:
                sound = espeak.speak(word, accent=self.accents[0]).tobytes()
            except DataError:
                wrong.append(f"{word!r} is silent in {self.accents[0]}")
                continue
            if (other := heard.setdefault(sound, word)) != word:
                wrong.append(f"{word!r} sounds like {other!r}: nobody can tell them apart")
        refuse_words(wrong)

    def _key(self, espeak: Espeak) -> str:
        """Name the cache of these parameters; words and numbers of clips are in file names."""
        shape = {
            name: getattr(self, name)
            for name in ("rate_wpm", "pitch", "pitch_range", "silence_seconds", "peak_db")
        }
        values = {
            **{name: [float(value) for value in pair] for name, pair in shape.items()},
            "accents": list(self.accents),
            "espeak": espeak.version,
            "families": [_HIGH, _LOW, _DEAL],
            "format": _FORMAT,
            "sample_rate": self.sample_rate,
            "seed": self.seed,
        }
        return cache_name("voices", values)

    def _plan(self, folder: Path) -> Iterator[_Clip]:
        """Draw all clips."""
        families = self._families()
        for word in self.words:
            name = word_folder(word)
            for split in SPLITS:
                # Every voice speaks every word before one speaks it again.
                order = shuffled(families[split], Random(f"{self.seed}/{split}/{word}"))
                for index in range(getattr(self, f"{split}_clips")):
                    rng = Random(f"{self.seed}/{split}/{word}/{index}")
                    variant = choose(order[index % len(order)], rng)
                    accent = choose(self.accents, rng)
                    file = f"{split}-{index:04d}-{accent}-{quote(variant)}.wav"
                    yield _Clip(
                        folder / name / file,
                        word,
                        split,
                        accent,
                        variant,
                        round(rng.uniform(*self.rate_wpm)),
                        round(rng.uniform(*self.pitch)),
                        round(rng.uniform(*self.pitch_range)),
                        rng.uniform(*self.silence_seconds),
                        rng.uniform(*self.silence_seconds),
                        rng.uniform(*self.peak_db),
                    )

    def _families(self) -> dict[str, list[tuple[str, ...]]]:
        """Deal the families of voices to the splits."""
        dealt: dict[str, list[tuple[str, ...]]] = {split: [] for split in SPLITS}
        for name, families in (("high", _HIGH), ("low", _LOW)):
            for index, family in enumerate(shuffled(families, Random(f"{self.seed}/{name}"))):
                dealt[_DEAL[index % len(_DEAL)]].append(family)
        return dealt

    def _make(self, clip: _Clip, espeak: Espeak) -> None:
        """Speak a clip and put it in its place, whole."""
        spoken = espeak.speak(
            clip.text,
            accent=clip.accent,
            variant=clip.variant,
            rate_wpm=clip.rate_wpm,
            pitch=clip.pitch,
            pitch_range=clip.pitch_range,
        )
        put_clip(
            clip.path,
            spoken.astype(np.float32),
            espeak.sample_rate,
            self.sample_rate,
            silence_seconds=(clip.lead_seconds, clip.trail_seconds),
            peak_db=clip.peak_db,
        )
