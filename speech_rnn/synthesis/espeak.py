"""Any words, spoken by espeak-ng; the voices of the test are not used in training."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from random import Random
from typing import Any, ClassVar
from urllib.parse import quote

import numpy as np

from speech_rnn.data.corpus import SPLITS, Corpus
from speech_rnn.data.rng import choose, shuffled
from speech_rnn.errors import (
    ConfigurationError,
    MissingExtraError,
    SpeechRnnError,
    did_you_mean,
)
from speech_rnn.synthesis.cached_voices import CachedVoices, Clip, put_clip
from speech_rnn.synthesis.espeak_library import Espeak
from speech_rnn.synthesis.languages import accents_of, foreign_letters, unreadable
from speech_rnn.synthesis.words import refuse_words

log = logging.getLogger(__name__)


def families_of(text: str) -> tuple[tuple[str, ...], ...]:
    """Return families of voices from a text in which semicolons separate them."""
    return tuple(tuple(family.split(", ")) for family in text.split("; "))


# The variants of espeak-ng 1.52, in families that stay in one split: variants whose formants 1 to 5
# differ by 2 % or less on average, and revisions of one design, sound like one person. 82 of 104
# variants are used. Left out:
# - zac, Alicia, whisper, whisperf: least intelligible of all to two recognisers that had not been
#   trained on them. One was trained on three quarters of the variants (38 to 90 % of ten commands;
#   the median is 100 %), one on real digits (32 to 42 %; the median is 65 %);
# - other voices with an effect: robosoft 1 to 8, RicishayMax 1 to 3, UniRobot, anikaRobot,
#   announcer, Demonic; and fast, which is the plain voice;
# - Reed and caleb, whose breath noise uses C's rand(), so that no two clips are the same.
HIGH = families_of(
    "Andrea; Annie; anika; aunty, f4; belinda, linda; f1; f2, f5; f3; grandma; shelby; steph, "
    "steph2, steph3"
)
LOW = families_of(
    "Alex, Mike, Mr serious, Tweaky, croak, grandpa, john, m3, m6, max, paul, pedro; Andy, "
    "AnxiousAndy; Denis, victor; Diogo, Henrique, Hugo, michel, miguel; Gene, Gene2; Jacky; Lee; "
    "Marco; Mario; Michael; Nguyen; Storm; adam, benjamin, klatt, klatt2, klatt3, klatt4, klatt5, "
    "klatt6; antonio; boris; david; ed; edward, edward2, mike2; gustave; ian; iven, iven2, iven3, "
    "iven4; kaukovalta; m1; m2; m4; m5; m7; m8; marcelo; norbert; pablo; quincy; rob, robert; "
    "sandro; travis"
)
# Families are dealt to the splits in this order, high and low voices separately: 27 to training, 7
# to validation and 12 to test.
_DEAL = ("test", "train", "validation", "train", "test", "train", "train", "train")

# Part of the name of the cache: increase it if the same parameters produce different samples.
_FORMAT = 1


@dataclass(frozen=True)
class Synthetic(CachedVoices):
    """Words or phrases spoken by espeak-ng.

    For each clip, a voice of its split, an accent, rate, pitch and pitch range, the silence around
    the word and a level are drawn. Otherwise as `CachedVoices`.

    Parameters
    ----------
    train_clips : number of training clips of each word.
    validation_clips : number of validation clips of each word.
    test_clips : number of test clips of each word.
    language : language of the words, such as ``de``.
    accents : accent codes of espeak-ng, such as ``en-us``; None takes those of the language.
    rate_wpm : lowest and highest rate in words per minute, within 80 and 450.
    pitch : lowest and highest pitch, from 0 to 99; 50 is the voice's own.
    pitch_range : smallest and largest range of the pitch, from 0 (monotone) to 99; 50 is the
        voice's own.
    """

    train_clips: int = 160
    validation_clips: int = 30
    test_clips: int = 50
    language: str = "en"
    accents: Sequence[str] | None = None
    rate_wpm: Sequence[int] = (130, 220)
    pitch: Sequence[int] = (25, 75)
    pitch_range: Sequence[int] = (20, 80)

    ranges: ClassVar = {"rate_wpm": (80, 450), "pitch": (0, 99), "pitch_range": (0, 99)}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.accents is not None and not self.accents:
            raise ConfigurationError("accents=[] is empty; name at least one")

    def lack(self) -> SpeechRnnError | None:
        """Return the error if the package is not installed."""
        is_there = find_spec("espeakng_loader") is not None
        return None if is_there else MissingExtraError("espeakng_loader", "synth")

    def prepare(self) -> Corpus:
        """Synthesize whatever is not in the cache, and list all clips.

        Raises
        ------
        MissingExtraError
            if ``espeakng_loader`` is not installed.
        ConfigurationError
            if espeak-ng lacks the language or an accent, or if words are in letters that it cannot
            read, are silent, or sound the same; the error lists all of them.
        DataError
            if the cache cannot be written.
        """
        espeak = Espeak()
        accents = self._accents(espeak)
        self._check_words(espeak, accents[0])
        values = {
            **self.pairs("rate_wpm", "pitch", "pitch_range", "silence_seconds", "peak_db"),
            "accents": accents,
            "espeak": espeak.version,
            "families": [HIGH, LOW, _DEAL],
            "format": _FORMAT,
            "sample_rate": self.sample_rate,
            "seed": self.seed,
        }

        def speak(clips: Sequence[Clip]) -> None:
            for clip in clips:
                spoken = espeak.speak(clip.text, **clip.voice).astype(np.float32)
                put_clip(clip, spoken, espeak.sample_rate, self.sample_rate)

        draw = partial(self._draw, accents)
        return self.spoken(self.plan(self.cache("voices", values), self.families(), draw), speak)

    def _accents(self, espeak: Espeak) -> list[str]:
        if self.accents is None:
            return list(accents_of(self.language, espeak.accents))
        if wrong := [str(accent) for accent in self.accents if accent not in espeak.accents]:
            english = ", ".join(code for code in sorted(espeak.accents) if code.startswith("en"))
            raise ConfigurationError(
                f"accents={', '.join(map(repr, wrong))}: espeak-ng {espeak.version} does not "
                f"have these; English accents are {english}{did_you_mean(wrong, espeak.accents)}"
            )
        return list(self.accents)

    def _check_words(self, espeak: Espeak, accent: str) -> None:
        refuse_words(unreadable(self.words, accent))  # espeak-ng would name the letters instead
        if note := foreign_letters(self.words, accent):
            log.warning("%s", note)
        wrong = []
        sounds: dict[str, str] = {}
        for word, sound in zip(self.words, espeak.notation(self.words, accent=accent), strict=True):
            if not sound:
                wrong.append(f"{word!r} is silent in {accent}")
            elif (other := sounds.setdefault(sound, word)) != word:
                wrong.append(f"{word!r} sounds like {other!r}: they cannot be distinguished")
        refuse_words(wrong)

    def _draw(
        self,
        accents: Sequence[str],
        families: Sequence[tuple[str, ...]],
        index: int,
        random: Random,
    ) -> tuple[str, str, dict[str, Any]]:
        variant = choose(families[index % len(families)], random)
        accent = choose(accents, random)
        ways = ("rate_wpm", "pitch", "pitch_range")
        drawn = {name: round(random.uniform(*getattr(self, name))) for name in ways}
        voice = {"accent": accent, "variant": variant, **drawn}
        return variant, f"{accent}-{quote(variant)}", voice

    def families(self) -> dict[str, list[tuple[str, ...]]]:
        """Return the families of voices of each split."""
        dealt: dict[str, list[tuple[str, ...]]] = {split: [] for split in SPLITS}
        for name, families in (("high", HIGH), ("low", LOW)):
            for index, family in enumerate(shuffled(families, Random(f"{self.seed}/{name}"))):
                dealt[_DEAL[index % len(_DEAL)]].append(family)
        return dealt
