"""Tables, CSV or JSON Lines, a record a line; all wrong lines are named in one error."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from speech_rnn.errors import DataError
from speech_rnn.storage.text import read_lines, read_text

JSON_LINES = (".jsonl", ".json", ".ndjson")
TABLES = (".csv", *JSON_LINES)
"""Endings of the files that `read_records` reads."""

T = TypeVar("T")


def read_records(
    path: str | os.PathLike[str], name: str, columns: Sequence[str] = ()
) -> Iterator[tuple[int, Any]]:
    """Yield the line and the values of each record; the ending decides how it is read.

    A CSV file begins with a header line, and its records are of texts; a record that spans several
    lines counts as the last of them. JSON may hold anything; empty lines are left out. What is no
    JSON is yielded as the `ValueError` that says so, for `made`.

    Parameters
    ----------
    path : ends in one of `TABLES`.
    name : the parameter that gave the path, for the error.
    columns : must be in the header line of a CSV file.

    Raises
    ------
    DataError
        for a file that cannot be read, has another ending or lacks a column.
    """
    if Path(path).suffix not in TABLES:
        raise DataError(f"{name}={str(path)!r} must end in .jsonl or .csv")
    if Path(path).suffix != ".csv":
        for line, text in enumerate(read_lines(path, name), start=1):
            if text.strip():
                try:
                    yield line, json.loads(text)
                except ValueError as error:
                    yield line, error
        return
    reader = csv.DictReader(io.StringIO(read_text(path, name), newline=""))
    try:
        if lacking := [column for column in columns if column not in (reader.fieldnames or ())]:
            raise DataError(f"{name}={str(path)!r} has no column {', '.join(lacking)}")
        for record in reader:
            yield reader.line_num, record
    except csv.Error as error:
        raise DataError(
            f"{name}={str(path)!r} cannot be read: line {reader.line_num}: {error}"
        ) from error


def made(
    records: Iterable[tuple[int, Any]],
    make: Callable[[int, Any], T],
    path: str | os.PathLike[str],
    name: str,
) -> list[T]:
    """Return what `make` makes of the line and the values of each record.

    Raises
    ------
    DataError
        for the records of which it raises a `KeyError`, `TypeError` or `ValueError`: all of them
        at once, each with its line.
    """
    rows, wrong = [], []
    for line, record in records:
        try:
            if isinstance(record, ValueError):
                raise record
            rows.append(make(line, record))
        except (KeyError, TypeError, ValueError) as error:
            lacks = f"lacks {error}" if isinstance(error, KeyError) else error
            wrong.append(f"  line {line}: {lacks}")
    if wrong:
        raise DataError("\n".join([f"{name}={str(path)!r} has wrong rows:", *wrong]))
    return rows
