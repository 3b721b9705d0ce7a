"""Score a Recognizer on utterances, or one text file against another."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from speech_rnn.data.batching import BucketSampler
from speech_rnn.data.cache import AudioCache, KnownClips
from speech_rnn.data.corpus import Utterance
from speech_rnn.data.oddities import tell_oddities
from speech_rnn.decoding.hypothesis import Hypothesis, Word
from speech_rnn.errors import DataError
from speech_rnn.evaluation.batches import Recognize, here
from speech_rnn.evaluation.results import (
    OTHER,
    Evaluation,
    Group,
    Rejection,
    Row,
    Split,
    WordFigures,
)
from speech_rnn.metrics import (
    AlignedPair,
    ClassFigures,
    Reliability,
    align_words,
    area_under_roc,
    bootstrap_interval,
    character_error_rate,
    confusion_matrix,
    per_class,
    reliability,
    word_error_rate,
)
from speech_rnn.recognizer import Recognizer
from speech_rnn.storage.text import read_lines
from speech_rnn.vocabulary import REASONS, SILENCE, Vocabulary

GLUE = "\ue000"
"""Joins the words of one token during alignment; no text contains it (private use area)."""

Change = Callable[[NDArray[np.int16], Utterance], NDArray[np.int16]]


def evaluate(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    *,
    batch_size: int = 64,
    change: Change | None = None,
    cache: KnownClips | None = None,
    audio_csv: Path | None = None,
    recognize: Recognize = here,
) -> Evaluation:
    """Recognise utterances and compare the answers with the references.

    Parameters
    ----------
    change : function that changes the samples of an utterance before recognition.
    cache : the samples of these utterances, if they have been read already.
    audio_csv : CSV file for problems of the sounds, if they are read here.
    recognize : function that recognises batches: here, or in several processes (`Elsewhere`).

    Raises
    ------
    DataError
        if there are no utterances, or none of them can be read.
    """
    if not utterances:
        raise DataError("there are no utterances to evaluate; choose another split")
    if cache is None:
        cache = AudioCache(utterances, recognizer.sample_rate)
        tell_oddities({utterances[0].split: cache}, audio_csv)
    rows = _recognize(recognizer, cache, utterances, batch_size, change, recognize)
    return score(rows, recognizer.vocabulary)


def evaluate_texts(references: str | Path, hypotheses: str | Path) -> Evaluation:
    """Compare two text files line by line, with words as they are written.

    Texts have no confidences; those of their words are NaN.

    Raises
    ------
    DataError
        if a file cannot be read, if there are no lines or different numbers of lines, and if lines
        of the references are empty.
    """
    spoken = read_lines(references, "references")
    answers = read_lines(hypotheses, "hypotheses")
    if len(spoken) != len(answers) or not spoken:
        raise DataError(
            f"references={str(references)!r} has {len(spoken)} lines and "
            f"hypotheses={str(hypotheses)!r} {len(answers)}; give one line for each utterance, "
            "empty if nothing was recognised"
        )
    if empty := [str(number) for number, line in enumerate(spoken, start=1) if not line.split()]:
        raise DataError(
            f"references={str(references)!r}: line {', '.join(empty)} is empty; leave it out, here "
            f"and in the hypotheses, or write {SILENCE} for silence"
        )
    rows = tuple(
        Row(
            Utterance(f"line {number}", reference),
            " ".join(reference.split()),
            Hypothesis(
                tuple(Word(word, 0.0, 0.0, math.nan) for word in hypothesis.split()),
                math.nan,
                None if hypothesis.split() else REASONS[SILENCE],
            ),
        )
        for number, (reference, hypothesis) in enumerate(zip(spoken, answers, strict=True), start=1)
    )
    return score(rows)


def score(rows: Sequence[Row], vocabulary: Vocabulary | None = None) -> Evaluation:
    """Compute all figures of rows.

    Parameters
    ----------
    vocabulary : its order is used in tables, and other labels follow alphabetically; it also joins
        words that form one token. None counts single words, for texts.
    """
    order, split = vocabulary.tokens if vocabulary else (), _split_of(vocabulary)
    read = [row for row in rows if row.hypothesis]
    errors = [word_error_rate([row.spoken], [row.recognised]) for row in read]
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
        labelled = [(row.reference, row.label) for row in read]
    labels, confusion, classes = _tables(labelled, order)
    return Evaluation(
        rows=tuple(rows),
        accuracy=Group.of(read).accuracy,
        words=word_error_rate([row.spoken for row in read], [row.recognised for row in read]),
        words_interval=bootstrap_interval(
            [rate.errors for rate in errors], [rate.reference_length for rate in errors]
        ),
        characters=character_error_rate(
            [row.spoken for row in read], [row.recognised for row in read]
        ),
        word_figures=_word_figures(read, pairs),
        reliability=_reliability(read),
        rejection=Rejection.of(read, [token for token in order if token not in REASONS]),
        per_class=classes,
        per_speaker=_groups(read, [row.utterance.speaker for row in read]),
        per_length=_groups(read, lengths) if max(lengths, default=0) > 1 else {},
        labels=labels,
        confusion=confusion,
    )


def _split_of(vocabulary: Vocabulary | None) -> Split:
    """Return the function that splits words into the units that are counted."""
    if vocabulary is None or vocabulary.unit == "characters":
        return list
    if vocabulary.unit == "words":
        return vocabulary.split
    return lambda words: [" ".join(words)] if words else []  # a class is one unit


def _reliability(rows: Sequence[Row]) -> Reliability | None:
    confidences = np.array([row.hypothesis.confidence for row in rows if row.hypothesis])
    return (
        None
        if np.isnan(confidences).any()
        else reliability(confidences, [row.is_correct for row in rows])
    )


def _aligned(row: Row, split: Split) -> list[tuple[AlignedPair, Word | None]]:
    """Align reference and answer; return each pair with the recognised word, if there is one."""
    assert row.hypothesis is not None
    spoken = [text.replace(" ", GLUE) for text in split(row.spoken.split())]
    recognised = [word.word.replace(" ", GLUE) for word in row.hypothesis.words]
    words = iter(row.hypothesis.words)
    pairs = []
    for pair in align_words(" ".join(spoken), " ".join(recognised)):
        texts = (text and text.replace(GLUE, " ") for text in (pair.reference, pair.hypothesis))
        pairs.append((AlignedPair(*texts), None if pair.hypothesis is None else next(words)))
    return pairs


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
    """Score the rows of each key; rows with an empty key are left out."""
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
            if word is not None and not math.isnan(word.confidence):
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


def _recognize(
    recognizer: Recognizer,
    cache: KnownClips,
    utterances: Sequence[Utterance],
    batch_size: int,
    change: Change | None,
    recognize: Recognize,
) -> list[Row]:
    batches = list(BucketSampler(cache, batch_size))

    def clips(indices: Sequence[int]) -> list[NDArray[np.int16]]:
        if change is None:
            return [cache[index] for index in indices]
        return [change(cache[index], cache.utterances[index]) for index in indices]

    answers: dict[int, Hypothesis] = {}
    for number, found in recognize(recognizer, map(clips, batches), len(batches)):
        answers.update(zip(batches[number], found, strict=True))
    readable = iter(range(len(cache)))
    rows = []
    for place, utterance in enumerate(utterances):
        error = cache.failures.get(place)
        answer = answers[next(readable)] if error is None else None
        label = recognizer.vocabulary.label_of(utterance.text)
        rows.append(Row(utterance, label, answer, error))
    return rows
