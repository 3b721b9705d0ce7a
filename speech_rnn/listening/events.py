"""An event: a detected word with its time in a recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from speech_rnn.decoding.hypothesis import Word


@dataclass(frozen=True)
class Event:
    """A word that was detected in a file: start and end in seconds, confidence in [0, 1]."""

    file: str
    word: str
    start: float
    end: float
    confidence: float

    @classmethod
    def of(cls, file: str, word: Word) -> Event:
        """Return the event of a word in a file."""
        return cls(file, word.word, word.start, word.end, word.confidence)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; times and confidence are rounded to 0.0001."""
        numbers = {name: round(getattr(self, name), 4) for name in ("start", "end", "confidence")}
        return {"file": self.file, "word": self.word, **numbers}
