"""Join isolated words of one speaker into connected commands, with the time of each word."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import audio_duration, load_audio
from speech_rnn.data.cache import KnownClips, read_stretch
from speech_rnn.data.corpus import PINK, Composition, Corpus, Part, Utterance
from speech_rnn.data.mixing import compose, trim
from speech_rnn.data.rng import check_ranges, choose
from speech_rnn.errors import AudioError, ConfigurationError, DataError
from speech_rnn.samples.integers import FULL_SCALE, quantize
from speech_rnn.storage.text import read_lines
from speech_rnn.vocabulary import REASONS, SILENCE, UNKNOWN, Vocabulary

log = logging.getLogger(__name__)

SAMPLE_RATE = 16_000
"""Rate in Hz at which words of validation and test are trimmed; they are read at any rate."""
LEAST_SECONDS = 0.5
"""Shortest utterance without words, in seconds."""
LATEST_SECONDS = 30
"""Latest start of the noise within its recording, in seconds."""


@dataclass(frozen=True)
class Connected:
    """Settings with which isolated words become utterances. Every draw is uniform in its range.

    The words of an utterance come from one speaker, where speakers are known. Training composes
    new utterances in each epoch; those of validation and test depend only on the seed and on
    their number.

    Parameters
    ----------
    n_words : fewest and most words of an utterance. One without words has chatter or noise only.
    trim_db : level below the loudest 10 ms of a clip, in dB, at which its word starts and ends.
    gap_ms : silence between two words, in ms; below zero they overlap.
    edge_ms : silence before the first word and after the last, in ms.
    level_db : change of the level of a word, in dB.
    noise_snr_db : SNR of the words over the noise, which is one of the corpus's recordings, or
        pink noise if it has none; None adds no noise.
    train_utterances : number of utterances in an epoch of training.
    validation_utterances : number of utterances of the validation split.
    test_utterances : number of utterances of the test split.
    curriculum_epochs : number of epochs over which the longest training utterance grows to the
        maximum of `n_words`. Short utterances let a CTC model learn the single words first.
    repeat_share : additional share of training words that repeat the word before them. Repeated
        words without a gap are hardest for CTC, because it must emit a blank between the two.
    chatter_share : probability of chatter before each word and after the last. Chatter is a clip
        of the corpus that is ``_unknown_``, such as `Negatives` adds. A recogniser that listens
        for hours must learn speech before a word, and long stretches without one.
    balanced : whether each word is the first one of the same number of training utterances.
        Otherwise a word with more clips is it more often.
    sentences : a text file with one sentence per line, from which utterances are drawn; None
        joins random words.
    seed : seed of all draws.

    Raises
    ------
    ConfigurationError
        if a range is not an ascending pair of numbers, or a number is too small.
    """

    n_words: Sequence[int] = (1, 7)
    trim_db: float = 35.0
    gap_ms: Sequence[float] = (-20.0, 300.0)
    edge_ms: Sequence[float] = (0.0, 300.0)
    level_db: Sequence[float] = (-4.0, 4.0)
    noise_snr_db: Sequence[float] | None = (20.0, 40.0)
    train_utterances: int = 1600
    validation_utterances: int = 200
    test_utterances: int = 500
    curriculum_epochs: int = 5
    repeat_share: float = 0.0
    chatter_share: float = 0.0
    balanced: bool = False
    sentences: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"n_words": 0, "gap_ms": -1000, "edge_ms": 0, "level_db": -60, "noise_snr_db": -60}
        check_ranges(self, {name: (lowest, math.inf) for name, lowest in least.items()})
        for name in ("repeat_share", "chatter_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigurationError(f"{name}={getattr(self, name)} must lie in [0, 1]")
        if self.n_words[1] < 1:
            raise ConfigurationError(f"n_words={list(self.n_words)} must end with 1 or more")
        if not self.trim_db > 0:
            raise ConfigurationError(f"trim_db={self.trim_db} must be above 0")
        for name in ("train_utterances", "validation_utterances", "test_utterances"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name}={getattr(self, name)} must be 1 or more")

    def join(self, corpus: Corpus) -> Corpus:
        """Replace a corpus's validation and test splits by composed utterances.

        The training rows stay single words: `ConnectedClips` joins them anew in each epoch.

        Raises
        ------
        DataError
            if no word of a split can be read, if there is chatter but no clip is ``_unknown_``,
            and if `sentences` cannot be read or holds words that no speaker says.
        """
        rows = list(corpus.split("train"))
        sizes = {"validation": self.validation_utterances, "test": self.test_utterances}
        for split, n_utterances in sizes.items():
            if isolated := corpus.split(split):
                joined = [row for row in isolated if row.text != SILENCE]
                draw = _Draw(self, trimmed(joined, self.trim_db), corpus)
                rows += [draw(f"{split}/{index}", split) for index in range(n_utterances)]
        return replace(corpus, utterances=tuple(rows), sentences=False)


class ConnectedClips:
    """The words of single clips joined into utterances, which are new in each epoch.

    `n_epochs` is the number of epochs after which the utterances of the first come again; None
    repeats none.

    Parameters
    ----------
    cache : isolated words.
    connected : how they are joined.
    corpus : the corpus of the words.
    """

    def __init__(self, cache: KnownClips, connected: Connected, corpus: Corpus) -> None:
        self.connected, self.sample_rate = connected, cache.sample_rate
        words = []
        self._samples: dict[tuple[str, float], NDArray[np.int16]] = {}
        for index, row in enumerate(cache.utterances):
            samples = _as_float(cache[index])
            word, stretch = _cut(
                replace(row, gain=1.0), samples, self.sample_rate, connected.trim_db
            )
            words.append(word)
            self._samples[word.audio, word.start_seconds] = cache[index][stretch]
        self._noise = {str(file): load_audio(file, self.sample_rate) for file in corpus.noise}
        self._draw = _Draw(connected, words, corpus)
        self.n_epochs: int | None = None
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Compose the utterances of an epoch."""
        epoch = epoch % self.n_epochs if self.n_epochs else epoch
        share = min(1.0, (epoch + 1) / max(1, self.connected.curriculum_epochs))
        longest = math.ceil(self.connected.n_words[1] * share)
        self.utterances = [
            self._draw(f"train/{epoch}/{number}", "train", longest)
            for number in range(self.connected.train_utterances)
        ]
        durations = np.array([row.duration_seconds for row in self.utterances], dtype=np.float64)
        self.n_samples = (durations * self.sample_rate).round().astype(np.int64)

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: int) -> NDArray[np.int16]:
        return quantize(compose(self.utterances[index], self.sample_rate, self._read))

    def _read(self, part: Part) -> NDArray[np.float32]:
        samples = self._samples.get((part.audio, part.start_seconds))
        if samples is not None:
            return _as_float(samples)
        return self._noise[part.audio][round(part.start_seconds * self.sample_rate) :]


class _Draw:
    """Draws utterances from trimmed words."""

    def __init__(self, connected: Connected, words: Iterable[Utterance], corpus: Corpus) -> None:
        self.connected = connected
        files = () if connected.noise_snr_db is None else corpus.noise
        self.noise = {str(file): audio_duration(file) for file in files}
        self.clips_of: dict[str, dict[str, list[Utterance]]] = defaultdict(
            lambda: defaultdict(list)
        )
        rows = list(words)
        self.words = [row for row in rows if row.text not in REASONS]
        self.chatter = [row for row in rows if row.text == UNKNOWN]
        if connected.chatter_share and not self.chatter:
            raise DataError(
                f"chatter_share={connected.chatter_share} needs clips of other words or other "
                "speech: negatives=speech negatives.speech=[DIR], or negatives=other_words"
            )
        self.by_text: dict[str, list[Utterance]] = defaultdict(list)
        for word in self.words:
            self.clips_of[word.speaker][word.text].append(word)
            self.by_text[word.text].append(word)
        if not self.words:
            raise DataError("there are no words to join; choose another corpus")
        self.sentences = self._sentences(corpus) if connected.sentences else []

    def __call__(self, name: str, split: str, longest: int | None = None) -> Utterance:
        """Draw an utterance by name, of at most `longest` words unless `sentences` are given."""
        random = Random(f"{self.connected.seed}/{name}")
        given = self.connected
        spoken = self._spoken(random, longest or given.n_words[1], split)
        at = random.uniform(*given.edge_ms) / 1000
        parts: list[Part] = []
        for clip in self._with_chatter(spoken, random) if given.chatter_share else spoken:
            duration = clip.duration_seconds or 0.0
            gain = clip.gain * 10 ** (random.uniform(*given.level_db) / 20)
            text = "" if clip.text == UNKNOWN else clip.text
            parts.append(Part(clip.audio, text, at, clip.start_seconds, duration, gain))
            gap = random.uniform(*given.gap_ms) / 1000
            at = max(at, at + duration + gap)  # a word never starts before the previous one
        ends = [part.at_seconds + part.duration_seconds for part in parts]
        end = max(ends, default=max(at, LEAST_SECONDS))
        seconds = end + random.uniform(*given.edge_ms) / 1000
        return Utterance(
            name,
            " ".join(part.text for part in parts if part.text),
            spoken[0].speaker if spoken else "",
            split,
            duration_seconds=seconds,
            composition=Composition(tuple(parts), *self._bed(seconds, random)),
        )

    def _with_chatter(self, spoken: Sequence[Utterance], random: Random) -> Iterator[Utterance]:
        """Draw chatter before and after the words; without words there is always some."""
        share = self.connected.chatter_share
        for word in spoken:
            if random.random() < share:
                yield choose(self.chatter, random)
            yield word
        if random.random() < share or not spoken:
            yield choose(self.chatter, random)

    def _spoken(self, random: Random, longest: int, split: str) -> list[Utterance]:
        """Draw the words of one speaker."""
        repeat_share = self.connected.repeat_share if split == "train" else 0.0
        if self.sentences:
            texts, speakers = choose(self.sentences, random)
            clips_of = self.clips_of[choose(speakers, random)]
            return [choose(clips_of[text], random) for text in texts]
        fewest = min(self.connected.n_words[0], longest)
        n_words = fewest + int(random.random() * (longest - fewest + 1))
        # Choose among words, not clips: every word is equally frequent.
        spoken: list[Utterance] = []
        if n_words and self.connected.balanced and split == "train":
            text = choose(list(self.by_text), random)
            spoken = [choose(self.by_text[text], random)]
            clips_of = self.clips_of[spoken[0].speaker]
        else:
            clips_of = self.clips_of[choose(self.words, random).speaker]
        texts = list(clips_of)
        for _ in range(n_words - len(spoken)):
            again = bool(spoken and repeat_share) and random.random() < repeat_share
            text = spoken[-1].text if again else choose(texts, random)
            spoken.append(choose(clips_of[text], random))
        return spoken

    def _bed(self, seconds: float, random: Random) -> tuple[str, float, float | None]:
        """Draw the noise: its recording, its start in seconds, and the SNR of the words.

        It covers the whole utterance, unless the recording is shorter.
        """
        if self.connected.noise_snr_db is None:
            return PINK, 0.0, None
        noise = choose(tuple(self.noise), random) if self.noise else PINK
        room = max(0.0, min(LATEST_SECONDS, self.noise.get(noise, math.inf) - seconds))
        return noise, room * random.random(), random.uniform(*self.connected.noise_snr_db)

    def _sentences(self, corpus: Corpus) -> list[tuple[list[str], list[str]]]:
        """Read the sentences: the words of each, and the speakers with clips of all of them."""
        path = Path(self.connected.sentences or "")
        lines = read_lines(path, "sentences")
        vocabulary = Vocabulary.of(corpus.words, "words")
        found, wrong = [], []
        for number, line in enumerate(lines, start=1):
            if texts := vocabulary.split(line.split()):
                speakers = [
                    name
                    for name, clips_of in self.clips_of.items()
                    if set(texts) <= clips_of.keys()
                ]
                found.append((texts, speakers))
                if not speakers:
                    wrong.append(f"  line {number}: no speaker has clips of all of {line!r}")
        if wrong or not found:
            raise DataError("\n".join([f"sentences={str(path)!r} cannot be composed:", *wrong]))
        return found


def _as_float(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    return samples.astype(np.float32) / np.float32(FULL_SCALE)


def trimmed(rows: Sequence[Utterance], trim_db: float) -> list[Utterance]:
    """Find the word in each row, see `trim`; log and leave out rows that cannot be read."""
    with ThreadPoolExecutor() as readers:
        words = readers.map(lambda row: _trim(row, trim_db), rows)
        return [word for word in words if word is not None]


def _trim(row: Utterance, trim_db: float) -> Utterance | None:
    try:
        samples = read_stretch(row, SAMPLE_RATE, check=False)  # problems are reported on reading
    except AudioError as error:
        log.warning("left out of %s: %s", row.split, error)
        return None
    return _cut(row, samples, SAMPLE_RATE, trim_db)[0]


def _cut(
    row: Utterance, samples: NDArray[np.float32], sample_rate: int, trim_db: float
) -> tuple[Utterance, slice]:
    """Return a row that holds only the word, and the slice of its samples."""
    start, stop = trim(samples, sample_rate, trim_db)
    word = replace(
        row,
        start_seconds=row.start_seconds + start / sample_rate,
        duration_seconds=(stop - start) / sample_rate,
    )
    return word, slice(start, stop)
