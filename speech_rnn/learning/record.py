"""The record of learnt words in a recogniser's file."""

from __future__ import annotations

from typing import Any

from speech_rnn.errors import ModelError
from speech_rnn.recognizer import Recognizer

RECORD = "learnt"
"""Key of the provenance that holds the date, clips and expected figures of each learnt word."""


def record_of(recognizer: Recognizer) -> dict[str, dict[str, Any]]:
    """Return the record of the learnt words.

    Raises
    ------
    ModelError
        if the record has the wrong form.
    """
    record = recognizer.provenance.get(RECORD, {})
    if not isinstance(record, dict) or not all(isinstance(each, dict) for each in record.values()):
        raise ModelError("the record of the added words is damaged; start from an earlier file")
    return dict(record)
