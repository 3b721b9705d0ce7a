"""Clips that a person has found wanting, left out of a corpus."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from speech_rnn.data.manifest import Corpus
from speech_rnn.errors import DataError

__all__ = ["exclude"]

COLUMNS = ("audio", "start_seconds")


def exclude(corpus: Corpus, path: str | Path) -> Corpus:
    """Leave out the clips of a CSV file, such as `speech_rnn.audit` writes.

    Its rows name clips by ``audio`` and ``start_seconds``; other columns do not matter.

    Raises
    ------
    DataError
        for a file that cannot be read, lacks a column, or names what the corpus does not have.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"exclude={str(path)!r} cannot be read: {error}") from error
    if lacking:
        raise DataError(f"exclude={str(path)!r} has no column {' and '.join(lacking)}")
    try:
        wanted = {(row["audio"], round(float(row["start_seconds"]), 4)) for row in rows}
    except (TypeError, ValueError) as error:
        raise DataError(
            f"exclude={str(path)!r}: start_seconds must be a number: {error}"
        ) from error
    places = {(row.audio, round(row.start_seconds, 4)) for row in corpus.utterances}
    if strangers := sorted(audio for audio, _ in wanted - places):
        raise DataError(
            f"exclude={str(path)!r}: {len(strangers)} of {len(wanted)} clips are not in the "
            f"corpus, such as {strangers[0]}; name files as the corpus does"
        )
    kept = tuple(
        row for row in corpus.utterances if (row.audio, round(row.start_seconds, 4)) not in wanted
    )
    return replace(corpus, utterances=kept)
