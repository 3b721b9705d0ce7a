"""Check a corpus before training: errors that prevent it, and warnings of weak figures."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from speech_rnn.data.corpus import SPLITS, Corpus, texts_of_rows
from speech_rnn.data.words import look_alike
from speech_rnn.errors import DataError, listed
from speech_rnn.evaluation.foreign import check_texts
from speech_rnn.vocabulary import REASONS, Vocabulary

FEW = 50
"""A word with fewer training clips than this is reported."""
VERY_FEW = 10
"""Synthetic voices help a word that has fewer training clips (docs/howto/little_data.md)."""
COLUMNS = 3
"""Number of words per line of a table."""

log = logging.getLogger(__name__)


def check_corpus(
    corpus: Corpus, vocabulary: Vocabulary, *, connected: bool, test: bool = True
) -> None:
    """Log problems with the words of a corpus before a training.

    Problems are words that look alike, that have few training clips, or that have no validation or
    test clips, and words of the test that training lacks. If words have few training clips, a
    table lists the number of clips of each class in each split.

    Parameters
    ----------
    connected : whether single words are joined into utterances.
    test : whether the test split is used.

    Raises
    ------
    DataError
        if training or validation have no clips, if there is only one class, if a class has no
        training clip, or if no test clip has a word of the training.
    """
    n_clips = {split: _labels(corpus, split, vocabulary) for split in ("train", "validation")}
    for split, counts in n_clips.items():
        if not counts:
            raise DataError(f"split={split!r} has no clips; give the corpus some")
    is_single = len(n_clips["train"]) == 1 and len(vocabulary.words) < 2
    if is_single and not connected:
        raise DataError(
            f"words={list(n_clips['train'])} are one class, and training needs two; add other "
            "words, or other speech: negatives=other_words"
        )
    for group in look_alike(vocabulary.words):
        log.warning("%s look the same but are different words; spell them the same to join them",
                    " and ".join(map(repr, group)))  # fmt: skip
    if vocabulary.unit == "classes":
        _check_counts(vocabulary, n_clips["train"], "train")
        _check_counts(vocabulary, n_clips["validation"], "validation")
    if vocabulary.unit == "classes" or connected:
        _tell_few(corpus, ("train",) if connected else SPLITS)
    if test and (rows := corpus.split("test")):
        check_texts(rows, vocabulary)
        if vocabulary.unit == "classes":
            _check_counts(vocabulary, _labels(corpus, "test", vocabulary), "test")


def _labels(corpus: Corpus, split: str, vocabulary: Vocabulary) -> Counter[str]:
    """Return the number of clips of each label."""
    counts: Counter[str] = Counter()
    for text, n_clips in texts_of_rows(corpus.split(split)).items():
        counts[vocabulary.label_of(text)] += n_clips
    return counts


def _check_counts(vocabulary: Vocabulary, n_clips: Counter[str], split: str) -> None:
    words = [token for token in vocabulary.tokens if token not in REASONS]
    lacking = [word for word in words if not n_clips[word]]
    if lacking and split == "train":
        raise DataError(
            f"training has no clip for these words: {listed(lacking)}; get or record some, "
            "name other words, or choose another split"
        )
    if lacking:
        log.warning("the %s split has no clip for these words: %s", split, listed(lacking))


def _tell_few(corpus: Corpus, splits: Sequence[str]) -> None:
    """Log the number of clips of each class if any word has few training clips."""
    n_clips = {split: texts_of_rows(corpus.split(split)) for split in splits}
    words = [word for word in corpus.words if word not in REASONS and n_clips["train"][word]]
    few = [f"{word} ({n})" for word in words if (n := n_clips["train"][word]) < FEW]
    if not few:
        return
    width = max(map(len, corpus.words))
    cells = [
        f"  {word:<{width}}" + "".join(f"{n_clips[split][word]:>7,}" for split in splits)
        for word in corpus.words
    ]
    lines = ["".join(cells[start : start + COLUMNS]) for start in range(0, len(cells), COLUMNS)]
    log.info("clips of each class (%s):\n%s", ", ".join(splits), "\n".join(lines))
    log.warning(
        "training has fewer than %d clips of these words: %s; get more of them, or have them drawn "
        "as often as others: trainer.balance=1", FEW, listed(few),
    )  # fmt: skip
    if any(n_clips["train"][word] < VERY_FEW for word in words):
        log.warning(
            "synthetic voices help words with fewer than %d recordings: "
            "+recipe=custom 'words=[…]' recordings=DIR", VERY_FEW
        )  # fmt: skip
