"""Tables, CSV or JSON Lines, a record a line; the wrong lines are named in one error."""

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
"""Endings of the files that `read_records` reads, in lower case."""
DELIMITERS = (",", ";", "\t", "|")
MOST_LINES = 10
"""Wrong lines that a message names."""
MOST_CHARACTERS = 80
"""Characters of a header line that a message shows."""
MOST_HEADER = 100_000
"""Characters within which a header line must end."""

T = TypeVar("T")


def is_table(path: str | os.PathLike[str], *others: str) -> bool:
    """Tell whether a file has one of the endings of `TABLES`, or of others."""
    return Path(path).suffix.lower() in (*TABLES, *others)


def read_records(
    path: str | os.PathLike[str], name: str, columns: Columns | None = None
) -> Iterator[tuple[int, Any]]:
    """Yield the line and the values of each record; the ending decides how it is read.

    A CSV file begins with a header line, and its records are of texts; a record that spans several
    lines counts as the last of them. Commas, semicolons, tabs or bars part its cells. JSON may
    hold anything, an object a line or all of them in one list; empty lines are left out. A record
    that is wrong by itself is yielded as the `ValueError` that says so, for `made`.

    Parameters
    ----------
    path : ends in one of `TABLES`.
    name : the parameter that gave the path, for the error.
    columns : those that the records have, under whatever names; None takes all as they are.

    Raises
    ------
    DataError
        for a file that cannot be read, has another ending or a wrong header line.
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
    """Read JSON, or return the `ValueError` that says why it is none."""
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
    """Return what parts the cells: with it, most columns of the header line are known."""
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
    """Return what `make` makes of the line and the values of each record.

    Raises
    ------
    DataError
        for the records of which it raises a `KeyError`, `TypeError` or `ValueError`: the first of
        them, each with its line, and how many there are.
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
