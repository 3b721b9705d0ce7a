"""A Recognizer and utterances become a report's figures."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from speech_rnn.data.batching import BucketSampler, pad
from speech_rnn.data.cache import FULL_SCALE, AudioCache
from speech_rnn.data.corpus import Utterance
from speech_rnn.decoding.hypothesis import Hypothesis, Word
from speech_rnn.errors import DataError
from speech_rnn.metrics import (
    Accuracy,
    AlignedPair,
    ClassFigures,
    ErrorRate,
    Reliability,
    accuracy,
    align_words,
    area_under_roc,
    bootstrap_interval,
    character_error_rate,
    confusion_matrix,
    paired_difference,
    per_class,
    reliability,
    word_error_rate,
)
from speech_rnn.recognizer import Recognizer
from speech_rnn.vocabulary import REASONS, SILENCE

__all__ = [
    "Comparison",
    "Evaluation",
    "Group",
    "Rejection",
    "Row",
    "WordFigures",
    "compare",
    "evaluate",
    "evaluate_texts",
]

Split = Callable[[list[str]], list[str]]
"""Parts the words of a text into those that are counted: "smart mirror" may be one."""

Change = Callable[[NDArray[np.int16], Utterance], NDArray[np.int16]]

OTHER = "_other_"
"""Column of a confusion matrix for answers that are no reference."""


@dataclass(frozen=True)
class Row:
    """An utterance with what was recognised, or with the error that kept it from being read."""

    utterance: Utterance
    hypothesis: Hypothesis | None
    error: str | None = None

    @property
    def label(self) -> str:
        """The answer, or the label that stands for the reason why there is none."""
        return self.hypothesis.label if self.hypothesis else ""

    @property
    def spoken(self) -> str:
        """The words that were said: none in silence."""
        return "" if self.utterance.text in REASONS else self.utterance.text

    @property
    def heard(self) -> str:
        """The words of the answer."""
        return self.hypothesis.text if self.hypothesis else ""

    @property
    def is_correct(self) -> bool:
        """Whether the answer is the reference; a file that failed is neither right nor wrong."""
        return self.hypothesis is not None and self.label == self.utterance.text

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for one line of JSON: all it takes to hear the utterance again."""
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
        return values | {"label": self.hypothesis.label} | self.hypothesis.to_dict()


@dataclass(frozen=True)
class Group:
    """How utterances that have something in common do."""

    accuracy: Accuracy
    words: ErrorRate

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Group:
        """Score rows that have been read."""
        return cls(
            accuracy([row.utterance.text for row in rows], [row.label for row in rows]),
            word_error_rate([row.spoken for row in rows], [row.heard for row in rows]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return self.accuracy.to_dict() | {"word_error_rate": self.words.to_dict()}


@dataclass(frozen=True)
class WordFigures:
    """How well words that are known to the second are timed, and how much confidences tell.

    Parameters
    ----------
    n_timed : words that are right and whose true times are known.
    start_error, end_error : median distance of their start and end from the truth, in seconds.
    n_right, n_wrong : words that were answered.
    confidence_auc : probability that a right word is more confident than a wrong one (ties count
        half); None where one of the two kinds is missing, or all are as confident.
    """

    n_timed: int
    start_error: float | None
    end_error: float | None
    n_right: int
    n_wrong: int
    confidence_auc: float | None


@dataclass(frozen=True)
class Rejection:
    """How a classifier tells its words from what is none of them.

    Parameters
    ----------
    words_right : share of the words that are answered rightly, with its interval.
    others_answered : share of the others that are answered with a word: false alarms.
    evidence_auc : probability that a word has more evidence than another utterance.
    """

    words_right: Accuracy
    others_answered: Accuracy
    evidence_auc: float | None

    @classmethod
    def of(cls, rows: Sequence[Row], words: Sequence[str]) -> Rejection | None:
        """Compare rows of both kinds; None where one is missing, or for sequences."""
        known = [row for row in rows if row.utterance.text in words]
        others = [row for row in rows if row.utterance.text not in words]
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
            Accuracy(sum(bool(row.heard) for row in others), len(others)),
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
    """How a Recognizer does on utterances.

    Parameters
    ----------
    rows : every utterance, in the order given.
    accuracy : share of utterances that are right as a whole, with its Wilson interval.
    words, characters : error rates; silence and unknown words count as no words.
    words_interval : bootstrap over utterances, 95 %.
    word_figures : times and confidences of words.
    reliability : how far the confidences of whole answers are what they say.
    rejection : how words are told from what is none, where there are utterances of both.
    per_class : precision, recall and F1 of each reference text, or of each word where there are
        several in a reference.
    per_speaker : figures of each speaker, where speakers are known.
    per_length : figures by how many words are said, where there are several.
    labels, confusion : counts, (references, answers); the last answer stands for any other, and
        for none.
    """

    rows: tuple[Row, ...]
    accuracy: Accuracy
    words: ErrorRate
    words_interval: tuple[float, float]
    characters: ErrorRate
    word_figures: WordFigures
    reliability: Reliability
    rejection: Rejection | None
    per_class: tuple[ClassFigures, ...]
    per_speaker: dict[str, Group]
    per_length: dict[int, Group]
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def failures(self) -> tuple[Row, ...]:
        """The utterances that could not be read."""
        return tuple(row for row in self.rows if row.hypothesis is None)

    @property
    def mistaken(self) -> tuple[Row, ...]:
        """The utterances that were read, with other words than were said."""
        return tuple(row for row in self.rows if row.hypothesis and row.spoken != row.heard)

    def summary(self) -> dict[str, Any]:
        """Return the figures without tables."""
        return {
            "n_utterances": self.accuracy.total,
            "n_failures": len(self.failures),
            "accuracy": self.accuracy.to_dict(),
            "sentence_error_rate": 1 - self.accuracy.value if self.accuracy.total else None,
            "word_error_rate": self.words.to_dict() | {"interval": list(self.words_interval)},
            "character_error_rate": self.characters.to_dict(),
            "words": asdict(self.word_figures),
            "calibration_error": self.reliability.expected_calibration_error,
            "rejection": self.rejection and self.rejection.to_dict(),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return figures and tables as plain values for JSON."""
        return self.summary() | {
            "reliability": self.reliability.to_dict(),
            "per_class": [figures.to_dict() for figures in self.per_class],
            "per_speaker": {name: group.to_dict() for name, group in self.per_speaker.items()},
            "per_length": {str(size): group.to_dict() for size, group in self.per_length.items()},
            "confusion": {"labels": list(self.labels), "counts": [list(r) for r in self.confusion]},
            "failures": [row.to_dict() for row in self.failures],
        }

    def write(self, folder: str | Path) -> None:
        """Write ``evaluation.json`` and, a line an utterance, ``hypotheses.jsonl``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "evaluation.json").write_text(json.dumps(self.to_dict(), indent=2) + "\n")
        with (folder / "hypotheses.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row.to_dict()) + "\n" for row in self.rows)


def evaluate(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    *,
    batch_size: int = 64,
    change: Change | None = None,
    cache: AudioCache | None = None,
) -> Evaluation:
    """Recognise utterances and compare with what was said.

    Parameters
    ----------
    change : what befalls the samples of an utterance before they are recognised.
    cache : of these utterances, where they have been read already.

    Raises
    ------
    DataError
        if there are no utterances, or none of them can be read.
    """
    if not utterances:
        raise DataError("there are no utterances to evaluate; choose another split")
    vocabulary = recognizer.vocabulary
    splits: dict[str, Split] = {
        "classes": _whole,
        "words": vocabulary.split,
        "characters": list,
    }
    if cache is None:
        cache = AudioCache(utterances, recognizer.sample_rate)
    rows = _recognize(recognizer, utterances, cache, batch_size, change or _as_it_is)
    return _score(rows, vocabulary.tokens, splits[vocabulary.unit])


def _as_it_is(samples: NDArray[np.int16], utterance: Utterance) -> NDArray[np.int16]:
    return samples


def _whole(words: list[str]) -> list[str]:
    """A class is one, however many words it has."""
    return [" ".join(words)] if words else []


def evaluate_texts(references: str | Path, hypotheses: str | Path) -> Evaluation:
    """Compare two text files line by line: word for word, as they are written.

    Raises
    ------
    DataError
        if one cannot be read, if there are no lines, or not as many in one as in the other, and
        for lines of the references that are empty.
    """
    said, heard = _lines(references), _lines(hypotheses)
    if len(said) != len(heard) or not said:
        raise DataError(
            f"references={str(references)!r} has {len(said)} lines and "
            f"hypotheses={str(hypotheses)!r} {len(heard)}; give one of each an utterance, and an "
            "empty line where nothing was heard"
        )
    if empty := [str(number) for number, line in enumerate(said, start=1) if not line.split()]:
        raise DataError(
            f"references={str(references)!r}: line {', '.join(empty)} is empty; leave it out, here "
            f"and in the hypotheses, or write {SILENCE} where nothing was said"
        )
    rows = tuple(
        Row(
            Utterance(f"line {number}", " ".join(reference.split())),
            Hypothesis(
                tuple(Word(word, 0.0, 0.0, 1.0) for word in hypothesis.split()),
                1.0,
                None if hypothesis.split() else REASONS[SILENCE],
            ),
        )
        for number, (reference, hypothesis) in enumerate(zip(said, heard, strict=True), start=1)
    )
    return _score(rows, (), list)


def _lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"text={str(path)!r} cannot be read: {error}") from error


def _score(rows: tuple[Row, ...], order: Sequence[str], split: Split) -> Evaluation:
    """Put all figures together; `split` parts the words of a text into those that are counted."""
    read = [row for row in rows if row.hypothesis]
    errors = [word_error_rate([row.spoken], [row.heard]) for row in read]
    lengths = [len(split(row.spoken.split())) for row in read]
    pairs = [_aligned(row, split) for row in read]
    if max(lengths, default=0) > 1:
        labelled = [
            (pair.reference, pair.hypothesis or OTHER)
            for row_pairs in pairs
            for pair, _ in row_pairs
            if pair.reference is not None
        ]
    else:
        labelled = [(row.utterance.text, row.label) for row in read]
    labels, confusion, classes = _tables(labelled, order)
    return Evaluation(
        rows=rows,
        accuracy=Group.of(read).accuracy,
        words=word_error_rate([row.spoken for row in read], [row.heard for row in read]),
        words_interval=bootstrap_interval(
            [rate.errors for rate in errors], [rate.reference_length for rate in errors]
        ),
        characters=character_error_rate([row.spoken for row in read], [row.heard for row in read]),
        word_figures=_word_figures(read, pairs),
        reliability=reliability(
            [row.hypothesis.confidence for row in read if row.hypothesis],
            [row.is_correct for row in read],
        ),
        rejection=Rejection.of(read, [token for token in order if token not in REASONS]),
        per_class=classes,
        per_speaker=_groups(read, [row.utterance.speaker for row in read]),
        per_length=_groups(read, lengths) if max(lengths, default=0) > 1 else {},
        labels=labels,
        confusion=confusion,
    )


def _aligned(row: Row, split: Split) -> list[tuple[AlignedPair, Word | None]]:
    """Pair what was said with what was heard, and each of that with the word it is."""
    assert row.hypothesis is not None
    said = [text.replace(" ", "_") for text in split(row.spoken.split())]
    heard = [word.word.replace(" ", "_") for word in row.hypothesis.words]
    words = iter(row.hypothesis.words)
    return [
        (
            AlignedPair(
                *(text and text.replace("_", " ") for text in (pair.reference, pair.hypothesis))
            ),
            None if pair.hypothesis is None else next(words),
        )
        for pair in align_words(" ".join(said), " ".join(heard))
    ]


def _tables(
    labelled: Sequence[tuple[str, str]], order: Sequence[str]
) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...], tuple[ClassFigures, ...]]:
    """Return labels, confusion matrix and figures by class of (reference, answer) pairs."""
    places = {token: place for place, token in enumerate(order)}
    references = [reference for reference, _ in labelled]
    labels = tuple(sorted(set(references), key=lambda text: (places.get(text, len(places)), text)))
    folded = [answer if answer in labels else OTHER for _, answer in labelled]
    columns = (*labels, OTHER) if OTHER in folded else labels
    counts = confusion_matrix(references, folded, columns)[: len(labels)]
    classes = per_class(references, folded, columns)
    return (
        columns,
        tuple(tuple(int(count) for count in row) for row in counts),
        tuple(figures for figures in classes if figures.label != OTHER),
    )


K = TypeVar("K", str, int)


def _groups(rows: Sequence[Row], keys: Sequence[K]) -> dict[K, Group]:
    """Score the rows of each key; an empty key is none."""
    members: dict[K, list[Row]] = defaultdict(list)
    for row, key in zip(rows, keys, strict=True):
        if key != "":
            members[key].append(row)
    return {key: Group.of(members[key]) for key in sorted(members)}


def _word_figures(
    rows: Sequence[Row], pairs: Sequence[list[tuple[AlignedPair, Word | None]]]
) -> WordFigures:
    starts, ends = [], []
    confidences: dict[bool, list[float]] = {True: [], False: []}
    for row, row_pairs in zip(rows, pairs, strict=True):
        parts = iter(row.utterance.composition.words if row.utterance.composition else ())
        for pair, word in row_pairs:
            part = next(parts, None) if pair.reference is not None else None
            if word is not None:
                confidences[pair.kind == "hit"].append(word.confidence)
            if part is not None and word is not None and pair.kind == "hit":
                starts.append(abs(word.start - part.at_seconds))
                ends.append(abs(word.end - part.at_seconds - part.duration_seconds))
    return WordFigures(
        len(starts),
        float(np.median(starts)) if starts else None,
        float(np.median(ends)) if ends else None,
        len(confidences[True]),
        len(confidences[False]),
        area_under_roc(confidences[True], confidences[False]),
    )


@dataclass(frozen=True)
class Comparison:
    """How the error rates of two recognisers differ on the same utterances.

    Parameters
    ----------
    first, second : word error rates.
    difference : the first less the second.
    interval : of the difference, 95 %, bootstrap over utterances.
    p_value : how often a difference as large would come by chance, if each utterance's errors had
        been made by either of the two alike.
    """

    first: float
    second: float
    difference: float
    interval: tuple[float, float]
    p_value: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def compare(first: Evaluation, second: Evaluation) -> Comparison:
    """Compare two evaluations of the same utterances, pair by pair.

    Raises
    ------
    DataError
        if their utterances are not the same.
    """
    if [row.utterance for row in first.rows] != [row.utterance for row in second.rows]:
        raise DataError("the two evaluations are not of the same utterances; evaluate both alike")
    read = [
        (one, other)
        for one, other in zip(first.rows, second.rows, strict=True)
        if one.hypothesis and other.hypothesis
    ]
    rates = [[word_error_rate([row.spoken], [row.heard]) for row in pair] for pair in read]
    errors = np.array([[rate.errors for rate in pair] for pair in rates])  # (N, 2)
    lengths = [one.reference_length for one, _ in rates]
    interval, p_value = paired_difference(errors[:, 0], errors[:, 1], lengths)
    one, other = (errors.sum(axis=0) / max(1, sum(lengths))).tolist()
    return Comparison(one, other, one - other, interval, p_value)


def _recognize(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    cache: AudioCache,
    batch_size: int,
    change: Change,
) -> tuple[Row, ...]:
    answers: dict[int, Hypothesis] = {}
    for indices in BucketSampler(cache, batch_size):
        samples, lengths = pad([change(cache[index], cache.utterances[index]) for index in indices])
        found = recognizer.recognize(samples.numpy() / np.float32(FULL_SCALE), lengths.numpy())
        answers.update(zip(indices, found, strict=True))
    heard = iter(range(len(cache)))
    errors = {id(failure.utterance): failure.error for failure in cache.failures}
    return tuple(
        Row(utterance, None, errors[id(utterance)])
        if id(utterance) in errors
        else Row(utterance, answers[next(heard)])
        for utterance in utterances
    )
