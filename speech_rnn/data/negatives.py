"""Negative examples: other speech, other words, near misses, noise and silence."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Protocol

from speech_rnn.audio import audio_duration
from speech_rnn.audio.finding import sound_files
from speech_rnn.data.corpus import PINK, SPLITS, Composition, Corpus, Utterance
from speech_rnn.data.rng import choose
from speech_rnn.data.splits import recordings_of
from speech_rnn.errors import ConfigurationError, DataError, did_you_mean
from speech_rnn.vocabulary import SILENCE, UNKNOWN

PEAK_DB = (-60.0, -20.0)

log = logging.getLogger(__name__)


class OtherWords(Protocol):
    """A source of words outside of a vocabulary, such as `synthesis.near_misses.NearMisses`."""

    def prepare(self, words: Sequence[str]) -> Corpus:
        """Return clips of words that are not in `words`."""
        ...


@dataclass(frozen=True)
class Negatives:
    """Add clips of ``_unknown_`` and ``_silence_`` to a corpus of words.

    Parameters
    ----------
    held_out_words : words of the corpus that are left out of training; in the test they are
        unknown.
    speech : sound files, or folders of them, of people who say none of the words. Stretches of
        them are ``_unknown_``; see `recordings_of` for the split of a file.
    speech_share : number of such stretches, relative to the average number of clips of a word.
    others : a source of other words, which are all ``_unknown_``.
    near_misses : a source of words that sound similar to those of the corpus, which are all
        ``_unknown_`` and used for training only. Here and in `others`, words of the corpus are
        left out.
    silence_share : number of clips of silence, relative to the average number of clips of a word.
        A tenth is digital silence; the rest are quiet stretches of the corpus's noise, or of pink
        noise if it has none.
    seconds : shortest and longest stretch.
    seed : seed of all draws.

    Raises
    ------
    ConfigurationError
        if a share is below 0, or `seconds` is not an ascending pair above 0.
    """

    held_out_words: Sequence[str] = ()
    speech: Sequence[str] = ()
    speech_share: float = 1.0
    others: OtherWords | None = None
    near_misses: OtherWords | None = None
    silence_share: float = 0.0
    seconds: Sequence[float] = (1.0, 3.0)
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("speech_share", "silence_share"):
            if not getattr(self, name) >= 0:
                raise ConfigurationError(f"{name}={getattr(self, name)!r} must be 0 or more")
        if len(self.seconds) != 2 or not 0 < self.seconds[0] <= self.seconds[1]:
            raise ConfigurationError(
                f"seconds={list(self.seconds)!r} must be the shortest and the longest, above 0"
            )

    def join(self, corpus: Corpus, *, to_train: bool = False) -> Corpus:
        """Return the corpus with negative examples.

        ``_unknown_`` and ``_silence_`` become classes if training has clips of them.

        Parameters
        ----------
        corpus : corpus of words.
        to_train : whether to add near misses, which only training uses.

        Raises
        ------
        DataError
            if held-out words are not in the corpus or are all of its words, and if speech cannot
            be found or read.
        """
        words = self._kept(corpus)
        rows = [*self._known(corpus, words)]
        recordings = sound_files(self.speech, "speech")
        if recordings and to_train and set(words) <= set(corpus.synthetic):
            log.warning(
                "people speak in negatives.speech, but none of the words; a recogniser of such a "
                "training answers people less: add recordings of the words, or leave it out"
            )
        for split in SPLITS:
            per_word = sum(row.split == split for row in rows if row.text in words) / len(words)
            rows += self._speech(recordings, split, math.ceil(self.speech_share * per_word))
            rows += self._silence(corpus, split, math.ceil(self.silence_share * per_word))
        if self.others is not None:
            rows += _unknown(self.others.prepare(words).utterances, corpus)
        if to_train and self.near_misses is not None:
            rows += _unknown(self.near_misses.prepare(words).split("train"), corpus)
        in_training = {row.text for row in rows if row.split == "train"}
        reasons = [label for label in (SILENCE, UNKNOWN) if label in in_training - set(words)]
        return replace(corpus, utterances=tuple(rows), words=(*reasons, *words))

    def _kept(self, corpus: Corpus) -> list[str]:
        if lacking := [word for word in self.held_out_words if word not in corpus.words]:
            hint = did_you_mean(lacking, corpus.words)
            raise DataError(f"held_out_words={lacking} are not words of the corpus{hint}")
        words = [word for word in corpus.words if word not in self.held_out_words]
        if not words:
            raise DataError("held_out_words are all words of the corpus; leave some to recognise")
        return words

    def _known(self, corpus: Corpus, words: Sequence[str]) -> Iterator[Utterance]:
        """Leave out the held-out words, except in the test, where they are unknown."""
        for row in corpus.utterances:
            if row.text in words or row.text not in corpus.words:
                yield row
            elif row.split == "test":
                yield replace(row, text=UNKNOWN)

    def _speech(self, recordings: list[Path], split: str, count: int) -> Iterator[Utterance]:
        """Cut stretches from recordings."""
        if not recordings or not count:
            return
        files = recordings_of(split, recordings)
        random = Random(f"{self.seed}/speech/{split}")
        durations = {file: audio_duration(file) for file in files}
        for _ in range(count):
            file = choose(files, random)
            seconds, start = self._stretch(durations[file], random)
            yield Utterance(str(file), UNKNOWN, file.stem, split, start, seconds)

    def _silence(self, corpus: Corpus, split: str, count: int) -> Iterator[Utterance]:
        random = Random(f"{self.seed}/silence/{split}")
        durations = {file: audio_duration(file) for file in corpus.noise if count}
        for index in range(count):
            gain = 10 ** (random.uniform(*PEAK_DB) / 20)
            gain = 0.0 if index % 10 == 0 else gain
            if durations:
                file = choose(tuple(durations), random)
                seconds, start = self._stretch(durations[file], random)
                yield Utterance(str(file), SILENCE, "", split, start, seconds, gain)
            else:
                seconds, _ = self._stretch(math.inf, random)
                name = f"silence-{self.seed}-{split}-{index}"
                noise = Composition((), PINK, noise_snr_db=0.0)
                yield Utterance(name, SILENCE, "", split, 0.0, seconds, gain, noise)

    def _stretch(self, duration: float, random: Random) -> tuple[float, float]:
        """Draw the duration of a stretch of a file, and its start."""
        seconds = min(random.uniform(*self.seconds), duration)
        room = 0.0 if math.isinf(duration) else duration - seconds
        return seconds, room * random.random()


def _unknown(rows: Sequence[Utterance], corpus: Corpus) -> list[Utterance]:
    """Return the rows as ``_unknown_``, without rows of the corpus's words (held out or not)."""
    return [replace(row, text=UNKNOWN) for row in rows if row.text not in corpus.words]
