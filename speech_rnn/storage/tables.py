"""Tables in CSV or JSON Lines, one record per line; wrong lines are reported in one error."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from speech_rnn.errors import DataError
from speech_rnn.storage.columns import Columns
from speech_rnn.storage.text import lines_of, read_text

JSON_LINES = (".jsonl", ".json", ".ndjson")
TABLES = (".csv", ".tsv", *JSON_LINES)
"""Lower-case endings of the files that `read_records` reads."""
DELIMITERS = (",", ";", "\t", "|")
MOST_LINES = 10
"""Number of wrong lines that a message names."""
MOST_CHARACTERS = 80
"""Longest part of a header line that a message shows, in characters."""
MOST_HEADER = 100_000
"""Longest header line in characters."""

T = TypeVar("T")


def is_table(path: str | os.PathLike[str], *others: str) -> bool:
    """Return whether a file has one of the endings in `TABLES` or `others`."""
    return Path(path).suffix.lower() in (*TABLES, *others)


def read_records(
    path: str | os.PathLike[str], name: str, columns: Columns | None = None
) -> Iterator[tuple[int, Any]]:
    """Yield the line number and the values of each record; the file's ending decides the format.

    A CSV file begins with a header line, and its values are texts. A record that spans several
    lines counts as the last of them. Commas, semicolons, tabs or bars separate the cells. JSON
    values may be anything, one object per line or all in one list; empty lines are skipped. For a
    malformed record, the `ValueError` that describes it is yielded, for `made`.

    Parameters
    ----------
    path : a file that ends in one of `TABLES`.
    name : the parameter that gave the path, for the error.
    columns : columns of the records, with their alternative names; None takes all as they are.

    Raises
    ------
    DataError
        if the file cannot be read, has another ending, or has a wrong header line.
    """
    if not is_table(path):
        raise DataError(f"{name}={str(path)!r} must end in .jsonl or .csv")
    text = read_text(path, name)
    if Path(path).suffix.lower() not in JSON_LINES:
        yield from _csv_records(text, f"{name}={str(path)!r}", columns)
        return
    renamed: dict[tuple[str, ...], dict[str, str] | ValueError] = {}
    for line, value in _json_values(text):
        if columns is None or not isinstance(value, Mapping):
            yield line, value
            continue
        keys = tuple(value)
        if keys not in renamed:
            renamed[keys] = _names(columns, keys)
        names = renamed[keys]
        if isinstance(names, ValueError):
            yield line, names
        else:
            yield line, {own: value[key] for key, own in names.items()}


def _names(columns: Columns, keys: tuple[str, ...]) -> dict[str, str] | ValueError:
    try:
        names = columns.names(keys)
    except ValueError as error:
        return error
    lacking = columns.lacking(names.values())
    return ValueError(f"lacks {', '.join(map(repr, lacking))}") if lacking else names


def _json_values(text: str) -> Iterator[tuple[int, Any]]:
    if text.lstrip().startswith("["):
        whole = _parsed(text)
        if isinstance(whole, list):
            yield from enumerate(whole, start=1)
            return
    for line, content in enumerate(lines_of(text), start=1):
        if content.strip():
            yield line, _parsed(content)


def _parsed(text: str) -> Any:
    """Parse JSON, or return the `ValueError` that describes the problem."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        return error
    except ValueError:
        return ValueError("a number has too many digits")
    except RecursionError:
        return ValueError("lists or objects are nested too deep")


def _csv_records(text: str, file: str, columns: Columns | None) -> Iterator[tuple[int, Any]]:
    delimiter = _delimiter(text, columns)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = next((row for row in reader if row), [])
        names = _header(header, columns)
        for cells in reader:
            if len(cells) > len(header):
                yield (
                    reader.line_num,
                    ValueError(f"has {len(cells)} cells, and the header line {len(header)}"),
                )
            elif cells:
                padded = [*cells, *[""] * (len(header) - len(cells))]
                record = dict(zip(header, padded, strict=True))
                yield reader.line_num, {own: record[cell] for cell, own in names.items()}
    except csv.Error as error:
        raise DataError(f"{file} cannot be read: line {reader.line_num}: {error}") from error
    except ValueError as error:
        shown = delimiter.join(header)
        raise DataError(
            f"{file} {error}; its first line must name the columns, and reads "
            f"{shown[:MOST_CHARACTERS]!r}"
        ) from error


def _header(header: list[str], columns: Columns | None) -> dict[str, str]:
    if columns is None:
        return {cell: cell for cell in header}
    names = columns.names(header)
    if lacking := columns.lacking(names.values()):
        raise ValueError(f"has no column {', '.join(lacking)}")
    return names


def _delimiter(text: str, columns: Columns | None) -> str:
    """Return the delimiter with which the header line has the most known columns."""
    header = next((line for line in lines_of(text[:MOST_HEADER]) if line.strip()), "")

    def known(delimiter: str) -> tuple[int, int]:
        try:
            cells = next(csv.reader([header], delimiter=delimiter), [])
        except csv.Error:
            return 0, 0
        return (columns.count(cells) if columns else 0), len(cells)

    return max(DELIMITERS, key=known)


def made(
    records: Iterable[tuple[int, Any]],
    make: Callable[[int, Any], T],
    path: str | os.PathLike[str],
    name: str,
) -> list[T]:
    """Apply `make` to the line number and values of each record, and return the results.

    Raises
    ------
    DataError
        if it raises a `KeyError`, `TypeError` or `ValueError` for records: the error lists the
        first of them, each with its line, and their number.
    """
    rows, wrong, n_wrong = [], [], 0
    for line, record in records:
        try:
            if isinstance(record, ValueError):
                raise record
            rows.append(make(line, record))
        except (KeyError, TypeError, ValueError) as error:
            n_wrong += 1
            if n_wrong <= MOST_LINES:
                lacks = f"lacks {error}" if isinstance(error, KeyError) else error
                wrong.append(f"  line {line}: {lacks}")
    if wrong:
        more = [f"  and {n_wrong - MOST_LINES:,} more"] if n_wrong > MOST_LINES else []
        raise DataError("\n".join([f"{name}={str(path)!r} has wrong rows:", *wrong, *more]))
    return rows
