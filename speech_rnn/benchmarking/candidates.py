"""Contenders of which some may be missing: those are told as rows, and the others run."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType

from speech_rnn.benchmarking.results import Row
from speech_rnn.benchmarking.timing import Contender, interleaved
from speech_rnn.errors import MissingExtraError

__all__ = ["Candidates", "peer"]

LONGEST_NOTE = 200


def peer(name: str) -> ModuleType:
    """Import a package that is compared with.

    Raises
    ------
    MissingExtraError
        if it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError(name, "peers") from error


class Candidates:
    """Makes contenders, and times those that can be made and run, in turns."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._runs: dict[str, Contender] = {}
        self._notes: dict[str, str] = {}

    def add(self, name: str, make: Callable[[], Contender], note: str = "") -> None:
        """Make a contender and call it once; if it raises, its row will say why.

        Parameters
        ----------
        name : of its row.
        make : returns what is timed; imports and loading belong here.
        note : what to know of it.
        """
        self._names.append(name)
        self._notes[name] = note
        try:
            run = make()
            run()
        except Exception as error:  # whatever another library raises
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            self._notes[name] = f"not measured: {reason[:LONGEST_NOTE]}"
        else:
            self._runs[name] = run

    def rows(self, n_rounds: int) -> tuple[Row, ...]:
        """Time them and return a row each, in the order in which they were added."""
        took = interleaved(self._runs, n_rounds) if self._runs else {}
        return tuple(Row(name, took.get(name), {}, self._notes[name]) for name in self._names)
