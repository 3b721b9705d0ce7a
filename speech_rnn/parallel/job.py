"""A job that processes share, and a crew of processes that does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from speech_rnn.errors import SpeechRnnError

Work = Callable[[Sequence[Any]], Iterable[Any]]
"""A function of items that returns their rows, in the same order."""
Answer = tuple[int, "list[Any] | Died"]
"""A task's number with its rows, or with the way in which its process ended."""


class Job(Protocol):
    """Work on items that any process can do. It is sent to each of them once."""

    def start(self) -> Work:
        """Load what the work needs, and return the function that does it.

        Raises
        ------
        SpeechRnnError
            if it cannot be done: a wrong model, or options that do not fit it.
        """
        ...

    def lost(self, item: Any, reason: str) -> Any:
        """Return the row of an item that ended every process that worked on it."""
        ...


@dataclass(frozen=True)
class Died:
    """A process ended before it returned its rows, for a reason such as ``exit code -9``."""

    reason: str


class Crew(Protocol):
    """Processes that do one job.

    Attributes
    ----------
    n_workers : number of tasks that it does at once.
    """

    n_workers: int

    def begin(self, task: int, items: Sequence[Any]) -> None:
        """Give a task to a process that has none."""
        ...

    def answers(self) -> list[Answer]:
        """Wait for tasks, and return those that have ended. A process that ended is replaced.

        Raises
        ------
        SpeechRnnError
            if a process cannot start the job.
        """
        ...


class Worker:
    """The work of one process: a job that is started once, and done for each task."""

    def __init__(self, job: Job) -> None:
        try:
            self._work: Work | SpeechRnnError = job.start()
        except SpeechRnnError as error:
            self._work = error

    def answer(self, items: Sequence[Any]) -> list[Any] | SpeechRnnError:
        """Return the rows of items, or the error that makes the job impossible."""
        if isinstance(self._work, SpeechRnnError):
            return self._work
        try:
            return list(self._work(items))
        except SpeechRnnError as error:
            return error
