"""Learn a word from a few clips: solve its output row, and measure the row on held-out clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

import numpy as np

from speech_rnn.decoding.confidence import log_softmax
from speech_rnn.errors import ConfigurationError, MissingExtraError
from speech_rnn.learning.record import record_of
from speech_rnn.learning.results import Expected, Learnt, Share
from speech_rnn.learning.row import Bag, Examples, Rivals, Row, Spread
from speech_rnn.learning.sounds import Background, Samples, other_words, silence, speak
from speech_rnn.learning.states import Encoder, packed, rounded
from speech_rnn.learning.words import (
    check_can_change,
    clips_of,
    count_words,
    with_word,
    without_word,
)
from speech_rnn.recognizer import Recognizer
from speech_rnn.synthesis.words import check_words
from speech_rnn.vocabulary import BLANK, REASONS

VOICES = 48
"""Number of synthetic clips of the word."""
OF_OTHER = 4
"""Number of synthetic clips of each ordinary word."""
OF_KNOWN, MOST_OF_KNOWN = 24, 240
"""Number of synthetic clips of each existing word, and the limit for all of them together."""
MOST_SECONDS = 10.0
FOLDS = 5
FALSE_ACCEPTS = 0.01
"""Largest share of clips of other words and noise that may be taken for the new word."""
MOST_TAKEN = 0.005
"""Largest share of clips of the existing words that may be taken for the new word."""
ALIKE = 0.95
"""Clips and synthetic voices are taken to say the same word if a row that was solved with the
voices alone scores half of the clips higher than this share of all other clips."""
NEAREST = 3


@dataclass(frozen=True)
class _Material:
    """States of all clips: user's clips, synthetic voices, existing words, everything else."""

    given: list[Bag]
    voices: list[Bag]
    known: list[Bag]
    others: list[Bag]

    def without(self, fold: int, n_folds: int) -> _Material:
        """Return the training part of a fold: of each kind, every `n_folds`-th clip is left out."""
        return self._where(lambda place: place % n_folds != fold)

    def only(self, fold: int, n_folds: int) -> _Material:
        """Return the held-out part of the same fold."""
        return self._where(lambda place: place % n_folds == fold)

    def _where(self, holds: Callable[[int], bool]) -> _Material:
        kinds = (self.given, self.voices, self.known, self.others)
        return _Material(
            *([bag for place, bag in enumerate(bags) if holds(place)] for bags in kinds)
        )

    def examples(self) -> Examples:
        """Return weighted clips: all voices together weigh as much as all of the user's clips."""
        n_given, n_voices = len(self.given), len(self.voices)
        of_voice = (n_given or 1) / max(1, n_voices)
        weights = [1.0] * n_given + [of_voice] * n_voices
        return Examples([*self.given, *self.voices], weights, [*self.known, *self.others])


def learn(
    recognizer: Recognizer,
    word: str,
    clips: Sequence[Samples],
    *,
    background: Background | None = None,
    language: str = "en",
) -> Learnt:
    """Add a word to a recogniser, or add clips to a word that was learnt in this way.

    Parameters
    ----------
    recognizer : recogniser of classes or words; it is not modified.
    word : a word or phrase.
    clips : recordings (n,) in which the word is spoken once, at the recogniser's sample rate.
    background : sound in which the word is not spoken, to learn from and to count false accepts.
    language : language in which espeak-ng speaks the word.

    Raises
    ------
    ConfigurationError
        if the recogniser spells characters, there are no clips, a clip is longer than 10 s, the
        text is not a word, or the recogniser was trained on the word.
    MissingExtraError
        if there is neither espeak-ng nor a background.
    """
    base = _base(recognizer, word, clips)
    encoder = Encoder(base.engine, base.calibration.silence_seconds)
    layer = base.engine.last_layer()
    earlier = clips_of(recognizer, word, layer.weight.shape[1])
    given = [*earlier, *map(rounded, encoder.of_word(clips, word))]
    material, notes = _material(base, encoder, given, background, language)
    solver = _Solver(Rivals(layer, _rejection(base)), _lasts(base), material)
    if material.voices and not solver.voices_agree():
        notes.append(
            f"the clips do not sound like {word!r} as espeak-ng speaks it; only the clips are used"
        )
        solver = replace(solver, material=replace(material, voices=[]))
    row, expected = solver.solve(base)
    record = {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "voices": len(solver.material.voices),
        "clips": [packed(bag) for bag in given],
    }
    grown = layer.with_row(row.weight.astype(np.float32), row.bias, len(layer.bias))
    learnt = with_word(base, word, grown, record)
    if background is not None:
        expected = replace(expected, background=count_words(learnt, background))
    record_of(learnt)[word]["expected"] = expected.to_dict()
    return Learnt(learnt, word, len(given), expected, notes)


def _rejection(recognizer: Recognizer) -> float | None:
    """Return the evidence that the answers of classes need, unless ``_unknown_`` is a row."""
    calibration = recognizer.calibration
    if recognizer.vocabulary.unit != "classes" or calibration.against_unknown:
        return None
    return calibration.unknown_below


def _base(recognizer: Recognizer, word: str, clips: Sequence[Samples]) -> Recognizer:
    """Return the recogniser without the word; raise if the word cannot be learnt."""
    check_can_change(recognizer)
    check_words([word])
    if not clips:
        raise ConfigurationError("clips=[] is empty; give at least one recording of the word")
    for clip in clips:
        if len(clip) > MOST_SECONDS * recognizer.sample_rate:
            seconds = len(clip) / recognizer.sample_rate
            raise ConfigurationError(
                f"a clip lasts {seconds:.0f} s: give recordings of the word, once in each, of "
                f"at most {MOST_SECONDS:g} s"
            )
    if word in record_of(recognizer):
        return without_word(recognizer, word)
    same = [each for each in recognizer.vocabulary.tokens if each.casefold() == word.casefold()]
    if same:
        raise ConfigurationError(
            f"word={word!r}: the recogniser was trained on {same[0]!r} already, without "
            "keeping the clips; train again with your recordings"
        )
    return recognizer


def _material(
    base: Recognizer,
    encoder: Encoder,
    given: list[Bag],
    background: Background | None,
    language: str,
) -> tuple[_Material, list[str]]:
    """Return the states of all available clips, and a note on each kind that is missing."""
    word, rate = given[0].word, base.sample_rate
    known: list[Bag] = []
    others = encoder.of_all(silence(rate))
    notes: list[str] = []
    voices: list[Bag] = []
    size = base.engine.last_layer().weight.shape[1]
    for name in record_of(base):
        known += clips_of(base, name, size)
    words = base.vocabulary.words
    try:
        spoken = speak([word], VOICES, language, rate)
        voices = encoder.of_word(spoken.get(word, []), word)
        each = max(3, min(OF_KNOWN, MOST_OF_KNOWN // len(words)))
        for name, clips in speak(words, each, language, rate).items():
            known += encoder.of_all(clips, name)
        foreign = other_words([word, *words], language)
        for name, clips in speak(foreign, OF_OTHER, language, rate).items():
            others += encoder.of_all(clips, name)
        if not voices:
            notes.append(f"espeak-ng cannot speak {word!r}; only the clips are used")
    except MissingExtraError:
        if background is None:
            raise
        notes.append(
            "espeak-ng (the extra [synth]) is not installed, so that no synthetic voices are "
            "used and losses of the other words are not counted"
        )
    if background is not None:
        others += encoder.of_all([*background.pieces()])
    else:
        notes.append(
            "no false accepts were counted; --background DIR counts them in sound of your room"
        )
    return _Material(given, voices, known, others), notes


def _lasts(recognizer: Recognizer) -> bool:
    """Return whether posteriors last as long as a word; a pure CTC model emits short spikes."""
    return recognizer.own_spotting.smoothing == "mean"


@dataclass(frozen=True)
class _Solver:
    """Solves the row and measures it by cross-validation."""

    rivals: Rivals
    lasts: bool
    material: _Material

    def voices_agree(self) -> bool:
        """Return whether the user's clips sound like the word's synthetic voices."""
        alone = replace(self.material, given=[])
        row = self._fit(alone, Spread.within(self._spread_bags()))
        levels = [row.margin(bag, self.rivals) for bag in self.material.others]
        given = [row.margin(bag, self.rivals) for bag in self.material.given]
        return bool(np.median(given) > np.quantile(levels, ALIKE))

    def solve(self, base: Recognizer) -> tuple[Row, Expected]:
        """Return the row; its bias is lowered until false accepts stay below their limits."""
        spread = Spread.within(self._spread_bags())
        row = self._fit(self.material, spread)
        n_given = len(self.material.given)
        n_folds = min(max(2, n_given), FOLDS)
        found: list[tuple[Row, _Material]] = []
        for fold in range(n_folds):
            rest = self.material.without(fold, n_folds)
            if rest.given or rest.voices:
                held_out = self.material.only(fold, n_folds)
                found.append((self._fit(rest, spread, start=row), held_out))
        known = [one.lead(bag, self.rivals) for one, rest in found for bag in rest.known]
        others = [one.lead(bag, self.rivals) for one, rest in found for bag in rest.others]
        lower = max(0.0, _excess(known, MOST_TAKEN), _excess(others, FALSE_ACCEPTS))
        lowered = [(Row(one.weight, one.bias - lower), rest) for one, rest in found]
        expected = self._expected(base, lowered, n_given)
        return Row(row.weight, row.bias - lower), expected

    def _fit(self, material: _Material, spread: Spread, start: Row | None = None) -> Row:
        return material.examples().fit(self.rivals, spread, lasts=self.lasts, start=start)

    def _spread_bags(self) -> list[Bag]:
        return [*self.material.known, *self.material.others]

    def _expected(
        self, base: Recognizer, found: Sequence[tuple[Row, _Material]], n_given: int
    ) -> Expected:
        def understood(kind: str) -> Share:
            margins = [
                row.margin(bag, self.rivals) for row, rest in found for bag in getattr(rest, kind)
            ]
            return Share(sum(margin > 0 for margin in margins), len(margins))

        taken = Counter(
            bag.word for row, rest in found for bag in rest.known if row.lead(bag, self.rivals) > 0
        )
        leads = [row.lead(bag, self.rivals) for row, rest in found for bag in rest.others]
        return Expected(
            given=understood("given") if n_given > 1 else None,
            voices=understood("voices") if self.material.voices else None,
            others=Share(sum(lead > 0 for lead in leads), len(leads)),
            taken=dict(taken),
            of_words=len(self.material.known),
            nearest=self._nearest(base),
        )

    def _nearest(self, base: Recognizer) -> list[tuple[str, float]]:
        """Return the existing words with the highest mean posterior in the word's clips."""
        bags = [*self.material.given, *self.material.voices]
        each = [np.exp(log_softmax(self.rivals.layer(bag.states))).mean(axis=0) for bag in bags]
        mean = np.mean(each, axis=0)
        tokens = base.vocabulary.tokens
        words = [place for place, token in enumerate(tokens) if token not in {BLANK, *REASONS}]
        words.sort(key=lambda place: -mean[place])
        return [(tokens[place], round(float(mean[place]), 4)) for place in words[:NEAREST]]


def _excess(leads: Sequence[float], share: float) -> float:
    """Return how far the bias must fall so that at most this share of leads stays above 0."""
    if not leads:
        return 0.0
    highest = sorted(leads, reverse=True)
    return highest[int(share * len(leads))]
