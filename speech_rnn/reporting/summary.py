"""A summary of a recogniser: its words, their training data, and its input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from speech_rnn.learning.record import record_of
from speech_rnn.recognizer import Recognizer
from speech_rnn.reporting.origins import ORIGINS
from speech_rnn.starter import CARD, STARTER


@dataclass(frozen=True)
class Summary:
    """A recogniser in a file.

    Parameters
    ----------
    bytes : size of the file.
    words : its words.
    synthetic_words : words trained on synthetic speech only; None if the file has no record of
        that.
    learnt : words that were learnt without training, with the number of clips of each.
    front : origin and licence of its front, or None.
    commit, seed : commit and seed of its training.
    card : path of a text about it, or None.
    """

    file: str
    bytes: int
    head: str
    streams: bool
    sample_rate: int
    words: Sequence[str]
    synthetic_words: Sequence[str] | None
    learnt: Mapping[str, int]
    front: str | None
    commit: str | None
    seed: int | None
    card: str | None

    @classmethod
    def of(cls, file: Path, recognizer: Recognizer) -> Summary:
        """Describe the recogniser of a file."""
        provenance = recognizer.provenance
        return cls(
            file=str(file),
            bytes=file.stat().st_size,
            head=recognizer.vocabulary.head,
            streams=recognizer.can_stream,
            sample_rate=recognizer.sample_rate,
            words=recognizer.vocabulary.words,
            synthetic_words=provenance.get("synthetic_words"),
            learnt={
                word: len(each.get("clips", ())) for word, each in record_of(recognizer).items()
            },
            front=ORIGINS.get(recognizer.description["model"].get("front")),
            commit=provenance.get("commit"),
            seed=provenance.get("seed"),
            card=str(CARD) if file == STARTER else None,
        )

    @property
    def by_origin(self) -> tuple[list[str], list[str]]:
        """Words trained on speech of people, and words trained on synthetic speech only."""
        synthetic = set(self.synthetic_words or ())
        recorded = [
            word for word in self.words if word not in synthetic and word not in self.learnt
        ]
        return recorded, [word for word in self.words if word in synthetic]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        recorded, synthetic = self.by_origin
        whom = "trained on recordings" if self.synthetic_words is not None else "words"
        learnt = ", ".join(
            f"{word} ({count} clip{'' if count == 1 else 's'})"
            for word, count in self.learnt.items()
        )
        where = "clips and streams" if self.streams else "clips"
        lines = [
            self.file,
            f"  {self.bytes / 1e6:.2f} MB, for {where} at {self.sample_rate} Hz",
            *([f"  {whom}: {', '.join(recorded)}"] if recorded else []),
            *([f"  trained on synthetic speech only: {', '.join(synthetic)}"] if synthetic else []),
            *([f"  added without training: {learnt}"] if learnt else []),
            *([f"  front end: {self.front}"] if self.front else []),
            *([f"  more: {self.card}"] if self.card else []),
        ]
        return "\n".join(lines)
