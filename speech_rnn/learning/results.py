"""What a learnt or forgotten word is expected to do, as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from speech_rnn.metrics import poisson_interval
from speech_rnn.recognizer import Recognizer


@dataclass(frozen=True)
class Share:
    """A count out of a total."""

    count: int
    total: int


@dataclass(frozen=True)
class Heard:
    """Words that were found where nobody says them.

    Parameters
    ----------
    seconds : duration of the sound.
    words : number of detections of each word; words without one are left out.
    """

    seconds: float
    words: Mapping[str, int]

    def an_hour(self, word: str | None = None) -> tuple[float, float, float]:
        """Return the false accepts an hour of a word, or of all, and their 95 % interval."""
        count = sum(self.words.values()) if word is None else self.words.get(word, 0)
        hours = self.seconds / 3600
        return (count / hours, *poisson_interval(count, hours))


@dataclass(frozen=True)
class Expected:
    """Figures that are expected of a learnt word.

    Each figure is of clips that the row which answers was not solved with: clips are left out in
    turns.

    Parameters
    ----------
    given : clips of the word that are understood; None where there is one alone.
    voices : the same of synthetic voices; None where nobody spoke them.
    others : clips of other words and of noise that are taken for the word.
    taken : clips of the recogniser's words that are taken for it, by word; words that lose none
        are left out.
    of_words : clips of the recogniser's words in all.
    nearest : the words that were most probable in the word's clips before it was learnt, with
        their mean posterior.
    background : detections in the half of the background that was not learnt from.
    """

    given: Share | None
    voices: Share | None
    others: Share
    taken: Mapping[str, int]
    of_words: int
    nearest: Sequence[tuple[str, float]]
    background: Heard | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"nearest": [list(each) for each in self.nearest]}


@dataclass(frozen=True)
class Learnt:
    """A recogniser with a word more.

    Parameters
    ----------
    recognizer : the new one; the old one is as it was.
    word, n_clips : the word, and the number of its clips, earlier ones included.
    expected : the figures that are expected of it.
    notes : lines for the user.
    """

    recognizer: Recognizer
    word: str
    n_clips: int
    expected: Expected
    notes: Sequence[str] = field(default_factory=tuple)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "word": self.word,
            "clips": self.n_clips,
            **self.expected.to_dict(),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Forgotten:
    """A recogniser with a word less.

    Parameters
    ----------
    recognizer : the new one.
    word : the forgotten word.
    answers : the answers to synthetic voices of the word now, an empty text for none;
        None where nobody spoke them.
    before, after : detections of the two recognisers in a background; None without one.
    """

    recognizer: Recognizer
    word: str
    answers: Mapping[str, int] | None
    before: Heard | None = None
    after: Heard | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "word": self.word,
            "answers": None if self.answers is None else dict(self.answers),
            "before": None if self.before is None else asdict(self.before),
            "after": None if self.after is None else asdict(self.after),
        }
