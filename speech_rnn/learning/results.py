"""Results of learning or forgetting a word, as numbers."""

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
class FalseAccepts:
    """Detections in a recording in which none of the words is spoken.

    Parameters
    ----------
    seconds : duration of the sound.
    words : number of detections of each word; words without one are left out.
    """

    seconds: float
    words: Mapping[str, int]

    def an_hour(self, word: str | None = None) -> tuple[float, float, float]:
        """Return false accepts per hour of one word, or of all, with the 95 % interval."""
        count = sum(self.words.values()) if word is None else self.words.get(word, 0)
        hours = self.seconds / 3600
        return (count / hours, *poisson_interval(count, hours))


@dataclass(frozen=True)
class Expected:
    """Expected performance of a learnt word, by cross-validation.

    Each figure comes from clips that were held out when the row which scores them was solved.

    Parameters
    ----------
    given : the user's clips that are recognised; None if there is only one.
    voices : synthetic clips of the word that are recognised; None without synthetic voices.
    others : clips of other words and of noise that are taken for the word.
    taken : number of clips of each existing word that are taken for the new word; words that lose
        none are left out.
    of_words : number of clips of existing words.
    nearest : the existing words with the highest mean posterior in the word's clips before it was
        learnt, with that posterior.
    background : detections in the half of the background that was not learnt from.
    """

    given: Share | None
    voices: Share | None
    others: Share
    taken: Mapping[str, int]
    of_words: int
    nearest: Sequence[tuple[str, float]]
    background: FalseAccepts | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"nearest": [list(each) for each in self.nearest]}


@dataclass(frozen=True)
class Learnt:
    """A recogniser with one more word.

    Parameters
    ----------
    recognizer : the new recogniser; the old one is not modified.
    word, n_clips : the word, and the number of its clips, earlier ones included.
    expected : expected performance of the word.
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
    """A recogniser with one word less.

    Parameters
    ----------
    recognizer : the new recogniser.
    word : the forgotten word.
    answers : the new recogniser's answers to synthetic clips of the word, with an empty text for
        no answer; None without synthetic voices.
    before, after : detections of the old and the new recogniser in a background; None without one.
    """

    recognizer: Recognizer
    word: str
    answers: Mapping[str, int] | None
    before: FalseAccepts | None = None
    after: FalseAccepts | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "word": self.word,
            "answers": None if self.answers is None else dict(self.answers),
            "before": None if self.before is None else asdict(self.before),
            "after": None if self.after is None else asdict(self.after),
        }
