"""Write events, line by line to standard output, or as one document per file."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.listening.events import Event
from speech_rnn.listening.files import FileEnd
from speech_rnn.listening.formats import COLUMNS, FORMATS, Format, csv_rows, json_line, text_line
from speech_rnn.storage import atomic


class Lines:
    """Prints one line per event, immediately.

    Parameters
    ----------
    line : function that returns the line of an event.
    head : first line, if any.
    tell_errors : whether to print a line of JSON for a file that failed, too.
    """

    def __init__(
        self, line: Callable[[Event], str], head: str | None = None, *, tell_errors: bool = False
    ) -> None:
        self._line, self._head, self._tell_errors = line, head, tell_errors

    def write(self, item: Event | FileEnd) -> None:
        """Print the event."""
        if self._head is not None:
            print(self._head, flush=True)
            self._head = None
        if isinstance(item, Event):
            print(self._line(item), flush=True)
        elif item.error is not None and self._tell_errors:
            print(item.error_line(), flush=True)


class Documents:
    """Writes a document when a file ends; if the file failed, with the events so far.

    Parameters
    ----------
    form : format of the documents.
    paths : path of each file's document; None prints the documents.
    """

    def __init__(self, form: Format, paths: dict[str, Path] | None) -> None:
        self._form, self._paths = form, paths
        self._events: list[Event] = []

    def write(self, item: Event | FileEnd) -> None:
        """Keep the event, or write the document of the file that ended, unless none of it was read.

        Raises
        ------
        DataError
            if a document cannot be written.
        """
        if isinstance(item, Event):
            self._events.append(item)
            return
        events, self._events = self._events, []
        if not item.duration:
            return
        text = self._form.render(events, item.duration)
        if self._paths is None:
            print(text, end="", flush=True)
        else:
            _write(self._paths[item.file], text)


def write_item(writer: Lines | Documents, item: Event | FileEnd) -> Event | FileEnd:
    """Write an event or the end of a file, and return it.

    If a document cannot be written, only its file fails: the returned end contains the error.
    """
    try:
        writer.write(item)
    except DataError as error:
        if isinstance(item, FileEnd):
            return replace(item, error="; ".join(filter(None, [item.error, str(error)])))
        raise
    return item


def choose_writer(
    files: Sequence[str], form: str | None, output_dir: Path | None, *, as_json: bool
) -> Lines | Documents:
    """Return the writer for the events of `files`.

    Parameters
    ----------
    files : names of all files.
    form : one of `FORMATS`; None is plain text, or JSON Lines.
    output_dir : folder that gets one document per file, in subfolders like those of the files below
        their common folder.

    Raises
    ------
    ConfigurationError
        if the format is unknown, settings exclude each other, a document format is used for several
        files without `output_dir`, or the documents of two files would have the same name.
    """
    if form is not None and form not in FORMATS:
        raise ConfigurationError(f"format={form!r} must be one of {', '.join(FORMATS)}")
    if form is not None and as_json:
        raise ConfigurationError(f"--json and --format {form} cannot be combined; choose one")
    if output_dir is not None:
        if form is None:
            raise ConfigurationError(
                f"output_dir={str(output_dir)!r} needs --format, one of {', '.join(FORMATS)}"
            )
        return Documents(FORMATS[form], document_paths(files, output_dir, FORMATS[form].suffix))
    if form == "csv":
        return Lines(
            lambda event: csv_rows([list(event.to_dict().values())])[:-1], ",".join(COLUMNS)
        )
    if form is not None:
        if len(files) > 1:
            raise ConfigurationError(
                f"format={form!r} holds one file, and there are {len(files)}; --output-dir DIR "
                "writes one for each"
            )
        return Documents(FORMATS[form], None)
    if as_json:
        return Lines(json_line, tell_errors=True)
    return Lines(lambda event: text_line(event, with_name=len(files) > 1))


def refuse_documents(form: str | None, output_dir: Path | None) -> None:
    """Raise a `ConfigurationError` if a format is chosen for events that a folder of parts gets."""
    if form is not None or output_dir is not None:
        raise ConfigurationError(
            "--parts writes JSON Lines; leave out --format and --output-dir, or --parts"
        )


def document_paths(files: Sequence[str], folder: Path, suffix: str) -> dict[str, Path]:
    """Return the path of each file's document.

    Raises
    ------
    ConfigurationError
        if two files in a folder have the same name except for the ending.
    """
    absolute = {name: Path("stdin" if name == "-" else name).absolute() for name in files}
    shared = os.path.commonpath([path.parent for path in absolute.values()])
    paths = {
        name: folder / path.relative_to(shared).with_suffix("").with_name(path.stem + suffix)
        for name, path in absolute.items()
    }
    same = defaultdict(list)
    for name, path in paths.items():
        same[path].append(name)
    if clashes := [" and ".join(names) for names in same.values() if len(names) > 1]:
        raise ConfigurationError(
            f"output_dir={str(folder)!r}: the documents of {'; of '.join(clashes)} would have one "
            "name; give them in two runs"
        )
    return paths


def _write(path: Path, text: str) -> None:
    """Write all or nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, text)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror}); check its folder, rights and free space"
        ) from error
