"""What a recogniser answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from speech_rnn.vocabulary import REASONS, UNKNOWN

LABELS = {"ambiguous": UNKNOWN, **{reason: label for label, reason in REASONS.items()}}
"""What stands for a reason in tables and references."""


@dataclass(frozen=True)
class Word:
    """A recognised word, with its start and end in seconds and a confidence in [0, 1].

    A classification head says what was heard in a clip, not where: its word spans the clip.
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
    words : the words in their order; none where none was heard.
    confidence : in [0, 1]: the probability of the class, of the least certain step of a greedy CTC
        path, or of the sequence that a beam search found; within a grammar, how probable the
        best path is relative to the best of all.
    reason : why there is no word: ``silence``, ``unknown``, or ``ambiguous`` where one was too
        uncertain; otherwise None.
    alternatives : the next best answers, where they were asked for; an answer that was withheld
        comes first.
    evidence : how much speaks for any of the words rather than for none, of any scale; None where
        the answer is a sequence.
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
        """The text, or the label that stands for the reason why there is none."""
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
