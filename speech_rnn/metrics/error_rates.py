"""Word, character and sentence error rates.

Undefined cases: with an empty reference, every word of its hypothesis is an insertion. Without any
reference words, the rate is 0 without insertions and infinite with them. White space only separates
words: a run of it is one space, and it is ignored at the ends. A single text may be given in place
of a sequence of one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

import jiwer
import numpy as np

from speech_rnn.metrics.classification import accuracy, check_lengths

Texts = str | Sequence[str]


@dataclass(frozen=True)
class ErrorRate:
    """Edits that turn references into hypotheses, per reference word or character."""

    substitutions: int
    deletions: int
    insertions: int
    hits: int

    @property
    def errors(self) -> int:
        """All edits."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_length(self) -> int:
        """Number of words or characters of the references."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """Edits per reference word or character; may exceed 1."""
        if not self.reference_length:
            return float("inf") if self.insertions else 0.0
        return self.errors / self.reference_length

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; an infinite rate becomes None."""
        rate = self.rate if np.isfinite(self.rate) else None
        return {"rate": rate, "reference_length": self.reference_length, **asdict(self)}


def word_error_rate(references: Texts, hypotheses: Texts) -> ErrorRate:
    """Count word edits over pairs of texts, by the minimal alignment (Levenshtein).

    Raises
    ------
    ConfigurationError
        if their numbers differ.
    """
    return _error_rate(jiwer.process_words, references, hypotheses)


def character_error_rate(references: Texts, hypotheses: Texts) -> ErrorRate:
    """Count character edits over pairs of texts, including the spaces between words.

    Raises
    ------
    ConfigurationError
        if their numbers differ.
    """
    return _error_rate(jiwer.process_characters, references, hypotheses)


def sentence_error_rate(references: Texts, hypotheses: Texts) -> float:
    """Return the share of texts with any word error; NaN without texts.

    It equals 1 - `accuracy`, except for white space.

    Raises
    ------
    ConfigurationError
        if their numbers differ.
    """
    return 1 - accuracy(*_tidy(references, hypotheses)).value


def _error_rate(process: Callable[..., Any], references: Texts, hypotheses: Texts) -> ErrorRate:
    output = process(*_tidy(references, hypotheses))
    return ErrorRate(output.substitutions, output.deletions, output.insertions, output.hits)


def _tidy(references: Texts, hypotheses: Texts) -> tuple[list[str], list[str]]:
    """Check that there are pairs; reduce white space to single spaces, which jiwer requires."""
    pair = [[texts] if isinstance(texts, str) else texts for texts in (references, hypotheses)]
    check_lengths(*pair)
    spoken, recognised = ([" ".join(text.split()) for text in texts] for texts in pair)
    return spoken, recognised


@dataclass(frozen=True)
class AlignedPair:
    """A word of the reference and one of the hypothesis; None if there is none."""

    reference: str | None
    hypothesis: str | None

    @property
    def kind(self) -> str:
        """``hit``, ``substitution``, ``deletion`` or ``insertion``."""
        if self.reference is None:
            return "insertion"
        if self.hypothesis is None:
            return "deletion"
        return "hit" if self.reference == self.hypothesis else "substitution"


def align_words(reference: str, hypothesis: str) -> tuple[AlignedPair, ...]:
    """Align the words of two texts with as few edits as possible."""
    (spoken,), (recognised,) = _tidy(reference, hypothesis)
    left, right = spoken.split(), recognised.split()
    pairs: list[AlignedPair] = []
    for chunk in jiwer.process_words(spoken, recognised).alignments[0]:
        before: list[str | None] = [*left[chunk.ref_start_idx : chunk.ref_end_idx]]
        after: list[str | None] = [*right[chunk.hyp_start_idx : chunk.hyp_end_idx]]
        pairs += [AlignedPair(*pair) for pair in zip_longest(before, after)]
    return tuple(pairs)
