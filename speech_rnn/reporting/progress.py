"""Progress on the terminal while files are processed, and problems at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from speech_rnn.errors import printable

if TYPE_CHECKING:
    from rich.progress import Progress

    from speech_rnn.listening.files import FileEnd

T = TypeVar("T")


def tracked(items: Iterable[T], total: int) -> Iterator[T]:
    """Iterate over items, with a progress bar on stderr if that is a terminal."""
    if not sys.stderr.isatty():  # loading rich takes longer than recognising a clip
        yield from items
        return
    with _progress() as progress:
        yield from progress.track(items, total, description="")


@contextmanager
def counted(total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that is called with the number of items that have been done since.

    The progress bar is on stderr, if that is a terminal.
    """
    if not sys.stderr.isatty():
        yield lambda n_items: None
        return
    with _progress() as progress:
        task = progress.add_task("", total=total)
        yield lambda n_items: progress.advance(task, n_items)


@contextmanager
def own_stdout() -> Iterator[None]:
    """Reserve standard output for this program; libraries print on standard error.

    libsndfile, for example, would print problems of damaged files among the lines of JSON.
    """
    try:
        is_first = sys.stdout.fileno() == 1
    except (OSError, ValueError):  # not a real file, as in a notebook
        is_first = False
    if not is_first:
        yield
        return
    theirs = sys.stdout
    theirs.flush()
    kept = os.dup(1)
    with open(kept, "w", encoding=theirs.encoding, errors=theirs.errors) as ours:  # noqa: PTH123
        os.dup2(2, 1)
        sys.stdout = ours
        try:
            yield
        finally:
            ours.flush()
            os.dup2(kept, 1)
            sys.stdout = theirs


@contextmanager
def file_progress(n_files: int) -> Iterator[Callable[[str, float, float | None], None]]:
    """Yield a function that shows progress; call it with name, seconds so far, and total or None.

    The progress bar is on stderr, if that is a terminal.
    """
    if not sys.stderr.isatty():
        yield lambda name, seconds, duration: None
        return
    from rich.markup import escape

    with _progress() as progress:
        task = progress.add_task("", total=None)
        names: dict[str, None] = {}

        def show(name: str, seconds: float, duration: float | None) -> None:
            names[name] = None
            description = (
                f"{len(names)} of {n_files}: {escape(printable(name))}, {seconds / 60:.1f} min"
            )
            progress.update(task, description=description, completed=seconds, total=duration)

        yield show


@contextmanager
def problems_at_the_end() -> Iterator[list[FileEnd]]:
    """Collect the ends of files; on exit, print problems on stderr, also after an error."""
    ends: list[FileEnd] = []
    try:
        yield ends
    finally:
        for end in ends:
            for note in end.notes:
                tell(f"{end.file}: {note}")
        for end in ends:
            if end.error is not None:
                print(f"error: {printable(end.error)}", file=sys.stderr)


def tell(text: str) -> None:
    """Print a problem on stderr immediately, while work continues."""
    print(f"note: {printable(text)}", file=sys.stderr, flush=True)


def _progress() -> Progress:
    """Return a progress bar on stderr, which does not redirect standard output."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    return Progress(
        console=console,
        disable=not console.is_terminal,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
    )
