"""Check a test for words that the model lacks."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from speech_rnn.data.corpus import Utterance
from speech_rnn.errors import DataError, did_you_mean, listed
from speech_rnn.vocabulary import REASONS, UNKNOWN, Vocabulary

log = logging.getLogger(__name__)


def check_texts(utterances: Sequence[Utterance], vocabulary: Vocabulary) -> None:
    """Log the words of utterances that the vocabulary lacks.

    Raises
    ------
    DataError
        if no utterance can be recognised, because none has only words of the vocabulary.
    """
    lacking = [missing for row in utterances if (missing := _missing(row.text, vocabulary))]
    if not lacking:
        return
    words = list(dict.fromkeys(lacking))
    known = vocabulary.words
    if UNKNOWN in vocabulary.tokens:
        log.warning(
            "%d of %d clips have words that the model does not know (%s): the right answer is "
            "no answer, or %s",
            len(lacking), len(utterances), listed(words), UNKNOWN,
        )  # fmt: skip
        return
    message = (
        f"{len(lacking)} of {len(utterances)} clips have words that the model lacks "
        f"({listed(words)}){did_you_mean(words, known)}"
    )
    if len(lacking) == len(utterances):
        raise DataError(f"there is nothing to measure: {message}")
    log.warning("%s; they count as errors", message)


def _missing(text: str, vocabulary: Vocabulary) -> str | None:
    """Return the first word, or letter, of a text that is not in the vocabulary."""
    if text in REASONS:
        return None
    label = " ".join(text.split())
    if vocabulary.unit == "classes":
        return None if label in vocabulary.tokens else label
    parts = list(label) if vocabulary.unit == "characters" else vocabulary.split(label.split())
    return next((part for part in parts if part not in vocabulary.tokens), None)
