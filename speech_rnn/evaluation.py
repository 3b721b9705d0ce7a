"""A Recognizer and utterances become a report's figures."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speech_rnn.data.batching import FULL_SCALE, AudioCache, BucketSampler, pad
from speech_rnn.data.manifest import Utterance
from speech_rnn.decoding.hypothesis import Hypothesis
from speech_rnn.errors import DataError
from speech_rnn.metrics import (
    Accuracy,
    ClassFigures,
    ErrorRate,
    accuracy,
    bootstrap_interval,
    character_error_rate,
    confusion_matrix,
    per_class,
    word_error_rate,
)
from speech_rnn.recognizer import Recognizer
from speech_rnn.vocabulary import REASONS

__all__ = ["Evaluation", "Row", "evaluate"]

OTHER = "_other_"
"""Column of a confusion matrix for answers that are no reference."""


@dataclass(frozen=True)
class Row:
    """An utterance with what was recognised, or with the error that kept it from being read."""

    utterance: Utterance
    hypothesis: Hypothesis | None
    error: str | None = None

    @property
    def is_correct(self) -> bool:
        """Whether the answer is the reference; a file that failed is neither right nor wrong."""
        return self.hypothesis is not None and self.hypothesis.label == self.utterance.text

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for one line of JSON."""
        values = {
            "file": self.utterance.audio,
            "start_seconds": self.utterance.start_seconds,
            "speaker": self.utterance.speaker,
            "reference": self.utterance.text,
        }
        if self.hypothesis is None:
            return values | {"error": self.error}
        return values | {"label": self.hypothesis.label} | self.hypothesis.to_dict()


@dataclass(frozen=True)
class Evaluation:
    """How a Recognizer does on utterances.

    Parameters
    ----------
    rows : every utterance, in the order given.
    accuracy : share of utterances that are right as a whole, with its Wilson interval.
    words, characters : error rates; silence and unknown words count as no words.
    words_interval : bootstrap over utterances, 95 %.
    per_class : precision, recall and F1 of each reference text.
    per_speaker : accuracy of each speaker, where speakers are known.
    labels, confusion : counts, (references, answers); the last answer stands for any other.
    """

    rows: tuple[Row, ...]
    accuracy: Accuracy
    words: ErrorRate
    words_interval: tuple[float, float]
    characters: ErrorRate
    per_class: tuple[ClassFigures, ...]
    per_speaker: dict[str, Accuracy]
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def failures(self) -> tuple[Row, ...]:
        """The utterances that could not be read."""
        return tuple(row for row in self.rows if row.hypothesis is None)

    def summary(self) -> dict[str, Any]:
        """Return the figures without tables."""
        return {
            "n_utterances": self.accuracy.total,
            "n_failures": len(self.failures),
            "accuracy": self.accuracy.to_dict(),
            "word_error_rate": self.words.to_dict() | {"interval": list(self.words_interval)},
            "character_error_rate": self.characters.to_dict(),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return figures and tables as plain values for JSON."""
        return self.summary() | {
            "per_class": [figures.to_dict() for figures in self.per_class],
            "per_speaker": {name: share.to_dict() for name, share in self.per_speaker.items()},
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
    recognizer: Recognizer, utterances: Sequence[Utterance], *, batch_size: int = 64
) -> Evaluation:
    """Recognise utterances and compare with what was said.

    Raises
    ------
    DataError
        if there are no utterances, or none of them can be read.
    """
    if not utterances:
        raise DataError("there are no utterances to evaluate; choose another split")
    rows = _recognize(recognizer, utterances, batch_size)
    heard = [(row.utterance, row.hypothesis) for row in rows if row.hypothesis]
    references = [utterance.text for utterance, _ in heard]
    answers = [hypothesis.label for _, hypothesis in heard]
    spoken = ["" if text in REASONS else text for text in references]
    texts = [hypothesis.text for _, hypothesis in heard]
    places = {token: place for place, token in enumerate(recognizer.vocabulary.tokens)}
    labels = tuple(sorted(set(references), key=lambda text: (places.get(text, len(places)), text)))
    folded = [answer if answer in labels else OTHER for answer in answers]
    columns = (*labels, OTHER) if OTHER in folded else labels
    confusion = confusion_matrix(references, folded, columns)[: len(labels)]
    by_speaker: dict[str, list[int]] = defaultdict(list)
    for index, (utterance, _) in enumerate(heard):
        if utterance.speaker:
            by_speaker[utterance.speaker].append(index)
    errors = [word_error_rate([one], [other]) for one, other in zip(spoken, texts, strict=True)]
    return Evaluation(
        rows=rows,
        accuracy=accuracy(references, answers),
        words=word_error_rate(spoken, texts),
        words_interval=bootstrap_interval(
            [rate.errors for rate in errors], [rate.reference_length for rate in errors]
        ),
        characters=character_error_rate(spoken, texts),
        per_class=tuple(f for f in per_class(references, folded, columns) if f.label != OTHER),
        per_speaker={
            speaker: accuracy([references[i] for i in places], [answers[i] for i in places])
            for speaker, places in sorted(by_speaker.items())
        },
        labels=columns,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def _recognize(
    recognizer: Recognizer, utterances: Sequence[Utterance], batch_size: int
) -> tuple[Row, ...]:
    cache = AudioCache(utterances, recognizer.sample_rate)
    answers: dict[int, Hypothesis] = {}
    for indices in BucketSampler(cache.n_samples, batch_size):
        samples, lengths = pad([cache[index] for index in indices])
        found = recognizer.recognize(samples.float() / FULL_SCALE, lengths)
        answers.update(zip(indices, found, strict=True))
    heard = iter(range(len(cache)))
    errors = {id(failure.utterance): failure.error for failure in cache.failures}
    return tuple(
        Row(utterance, None, errors[id(utterance)])
        if id(utterance) in errors
        else Row(utterance, answers[next(heard)])
        for utterance in utterances
    )
