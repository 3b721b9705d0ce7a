"""Results of an evaluation, as plain values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path
from typing import Any

from speech_rnn.data.corpus import Composition, Part, Utterance
from speech_rnn.decoding.hypothesis import Hypothesis, Word
from speech_rnn.metrics import (
    Accuracy,
    ClassFigures,
    ErrorRate,
    Reliability,
    area_under_roc,
    word_error_rate,
)
from speech_rnn.storage import atomic
from speech_rnn.vocabulary import REASONS, Vocabulary

Split = Callable[[list[str]], list[str]]
"""A function that splits words into the units that are counted: "smart mirror" may be one."""
OTHER = "_other_"
"""Column of a confusion matrix for answers that never occur as a reference."""


@dataclass(frozen=True)
class Row:
    """An utterance with its hypothesis, or with the error that prevented reading it.

    `reference` is the correct label, see `Vocabulary.label_of`.
    """

    utterance: Utterance
    reference: str
    hypothesis: Hypothesis | None
    error: str | None = None

    @property
    def label(self) -> str:
        """The answer, or the label of the reason if there is none."""
        return self.hypothesis.label if self.hypothesis else ""

    @property
    def spoken(self) -> str:
        """The words of the reference; none for silence and ``_unknown_``."""
        return "" if self.reference in REASONS else self.reference

    @property
    def recognised(self) -> str:
        """The words of the answer."""
        return self.hypothesis.text if self.hypothesis else ""

    @property
    def is_correct(self) -> bool:
        """Whether the answer equals the reference; a failed file is neither right nor wrong."""
        return self.hypothesis is not None and self.label == self.reference

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for one line of JSON, with all that is needed to read the sound."""
        values: dict[str, Any] = {
            "file": self.utterance.audio,
            "start_seconds": self.utterance.start_seconds,
            "duration_seconds": self.utterance.duration_seconds,
            "gain": self.utterance.gain,
            "speaker": self.utterance.speaker,
            "reference": self.utterance.text,
        }
        if self.utterance.composition:
            values["composition"] = asdict(self.utterance.composition)
        if self.hypothesis is None:
            return values | {"error": self.error}
        values |= {"label": self.label, "is_correct": self.is_correct, "text": self.recognised}
        has_confidence = not isnan(self.hypothesis.confidence)  # texts have none, and no times
        return values | (self.hypothesis.to_dict() if has_confidence else {})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], vocabulary: Vocabulary) -> Row:
        """Create a row of a test split from the values of `to_dict`, without alternatives."""
        composition = None
        if given := values.get("composition"):
            parts = tuple(Part(**part) for part in given["parts"])
            composition = Composition(**{**given, "parts": parts})
        utterance = Utterance(
            values["file"],
            values["reference"],
            values["speaker"],
            "test",
            values["start_seconds"],
            values.get("duration_seconds"),
            values.get("gain", 1.0),
            composition,
        )
        reference = vocabulary.label_of(utterance.text)
        if "error" in values:
            return cls(utterance, reference, None, values["error"])
        words = tuple(Word(**word) for word in values["words"])
        reason, evidence = values.get("reason"), values.get("evidence")
        answer = Hypothesis(words, values["confidence"], reason, evidence=evidence)
        return cls(utterance, reference, answer)


@dataclass(frozen=True)
class Group:
    """Figures of a group of utterances."""

    accuracy: Accuracy
    words: ErrorRate

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Group:
        """Score rows whose files could be read."""
        return cls(
            Accuracy(sum(row.is_correct for row in rows), len(rows)),
            word_error_rate([row.spoken for row in rows], [row.recognised for row in rows]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return self.accuracy.to_dict() | {"word_error_rate": self.words.to_dict()}


@dataclass(frozen=True)
class WordFigures:
    """Accuracy of word times, and how well confidences separate right from wrong words.

    Parameters
    ----------
    n_timed : number of correct words whose true times are known.
    start_error, end_error : median absolute error of their start and end, in seconds.
    n_right, n_wrong : number of right and wrong words in the answers.
    confidence_auc : probability that a right word has a higher confidence than a wrong one (ties
        count half); None if either kind is missing, or all confidences are equal.
    """

    n_timed: int
    start_error: float | None
    end_error: float | None
    n_right: int
    n_wrong: int
    confidence_auc: float | None


@dataclass(frozen=True)
class Rejection:
    """How well a classifier separates its words from other sounds.

    Parameters
    ----------
    words_right : share of the words that are answered correctly, with its interval.
    others_answered : share of other utterances that are answered with a word: false alarms.
    evidence_auc : probability that a word has more evidence than another utterance.
    """

    words_right: Accuracy
    others_answered: Accuracy
    evidence_auc: float | None

    @classmethod
    def of(cls, rows: Sequence[Row], words: Sequence[str]) -> Rejection | None:
        """Compare rows of both kinds; None if one is missing, or for sequences."""
        known = [row for row in rows if row.reference in words]
        others = [row for row in rows if row.reference not in words]
        scores = [
            [
                row.hypothesis.evidence
                for row in kind
                if row.hypothesis and row.hypothesis.evidence is not None
            ]
            for kind in (known, others)
        ]
        if not all(scores):
            return None
        return cls(
            Accuracy(sum(row.is_correct for row in known), len(known)),
            Accuracy(sum(bool(row.recognised) for row in others), len(others)),
            area_under_roc(*scores),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "words_right": self.words_right.to_dict(),
            "others_answered": self.others_answered.to_dict(),
            "evidence_auc": self.evidence_auc,
        }


@dataclass(frozen=True)
class Evaluation:
    """Results of a Recognizer on utterances.

    Parameters
    ----------
    rows : all utterances, in their original order.
    accuracy : share of completely correct utterances, with its Wilson interval.
    words, characters : error rates; silence and unknown words count as no words.
    words_interval : 95 % interval, by bootstrap over utterances.
    word_figures : times and confidences of words.
    reliability : calibration of the confidences of whole answers; None for texts, which have no
        confidences.
    rejection : separation of words from other sounds, if there are utterances of both.
    per_class : precision, recall and F1 of each reference text, or of each word if references have
        several words.
    per_speaker : figures of each speaker, if speakers are known.
    per_length : figures by number of spoken words, if references have several words.
    labels, confusion : counts, (references, answers); the last column counts any other answer, and
        none.
    """

    rows: tuple[Row, ...]
    accuracy: Accuracy
    words: ErrorRate
    words_interval: tuple[float, float]
    characters: ErrorRate
    word_figures: WordFigures
    reliability: Reliability | None
    rejection: Rejection | None
    per_class: tuple[ClassFigures, ...]
    per_speaker: dict[str, Group]
    per_length: dict[int, Group]
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def failures(self) -> tuple[Row, ...]:
        """Utterances that could not be read."""
        return tuple(row for row in self.rows if row.hypothesis is None)

    @property
    def mistaken(self) -> tuple[Row, ...]:
        """Utterances that were read, and recognised with wrong words."""
        return tuple(row for row in self.rows if row.hypothesis and row.spoken != row.recognised)

    def summary(self) -> dict[str, Any]:
        """Return the figures, without tables."""
        return {
            "n_utterances": self.accuracy.total,
            "n_failures": len(self.failures),
            "accuracy": self.accuracy.to_dict(),
            "sentence_error_rate": 1 - self.accuracy.value if self.accuracy.total else None,
            "word_error_rate": self.words.to_dict() | {"interval": list(self.words_interval)},
            "character_error_rate": self.characters.to_dict(),
            "words": asdict(self.word_figures),
            "calibration_error": self.reliability and self.reliability.expected_calibration_error,
            "rejection": self.rejection and self.rejection.to_dict(),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return figures and tables as plain values for JSON."""
        return self.summary() | {
            "reliability": self.reliability and self.reliability.to_dict(),
            "per_class": [figures.to_dict() for figures in self.per_class],
            "per_speaker": {name: group.to_dict() for name, group in self.per_speaker.items()},
            "per_length": {str(size): group.to_dict() for size, group in self.per_length.items()},
            "confusion": {"labels": list(self.labels), "counts": [list(r) for r in self.confusion]},
            "failures": [row.to_dict() for row in self.failures],
        }

    def write(self, folder: str | Path) -> None:
        """Write ``evaluation.json``, and ``hypotheses.jsonl`` with one utterance per line."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        atomic.write_json(folder / "evaluation.json", self.to_dict())
        lines = (json.dumps(row.to_dict()) + "\n" for row in self.rows)
        atomic.write(folder / "hypotheses.jsonl", "".join(lines))
