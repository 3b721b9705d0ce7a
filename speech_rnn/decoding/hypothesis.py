"""The answer of a recogniser."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from speech_rnn.vocabulary import REASONS, UNKNOWN

LABELS = {"ambiguous": UNKNOWN, **{reason: label for label, reason in REASONS.items()}}
"""Labels that stand for the reasons in tables and references."""


@dataclass(frozen=True)
class Word:
    """A recognised word, with its start and end in seconds and a confidence in [0, 1].

    A classification head does not locate the word: it spans the whole clip.
    """

    word: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Hypothesis:
    """The answer to one clip.

    Parameters
    ----------
    words : the words in order; empty if there is no word.
    confidence : a probability in [0, 1]. For a classifier: of the class. For greedy decoding of a
        sequence: of the least certain step. For a beam search: of the sequence. With a grammar: of
        the best path that the grammar allows, relative to the best of all paths.
    reason : reason why there is no word: ``silence``, ``unknown``, or ``ambiguous`` if the
        confidence was too low; otherwise None.
    alternatives : the next best answers, if requested; a withheld answer comes first.
    evidence : evidence for any word rather than none, on an arbitrary scale; None if the answer is
        a sequence.
    """

    words: tuple[Word, ...]
    confidence: float
    reason: str | None = None
    alternatives: tuple[Hypothesis, ...] = ()
    evidence: float | None = None

    @property
    def text(self) -> str:
        """The words, joined by spaces."""
        return " ".join(word.word for word in self.words)

    @property
    def label(self) -> str:
        """The text; if it is empty, the label of the reason, such as ``_unknown_``."""
        return LABELS.get(self.reason or "", self.text)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; times are rounded to 0.1 ms."""
        words = [
            asdict(word) | {key: round(getattr(word, key), 4) for key in ("start", "end")}
            for word in self.words
        ]
        values: dict[str, Any] = {"text": self.text, "confidence": self.confidence, "words": words}
        if self.reason:
            values["reason"] = self.reason
        if self.evidence is not None:
            values["evidence"] = self.evidence
        if self.alternatives:
            values["alternatives"] = [other.to_dict() for other in self.alternatives]
        return values
