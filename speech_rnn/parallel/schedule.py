"""Parts of a job are given to a crew. What a dead process had is done again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from speech_rnn.errors import SpeechRnnError
from speech_rnn.parallel.job import Crew, Died, Job

MOST_DEATHS = 2
"""Deaths after which a part is cut into its items, and after which an item is given up."""
MOST_IN_A_ROW = 10
"""Deaths for each process of a crew, without a result between them, after which a run ends."""
AHEAD = 4
"""Parts for each process that may be finished before the next one in order."""

Part = tuple[int, Sequence[Any]]
"""The number of a part, and its items."""
Finished = tuple[int, list[Any]]
"""The number of a part, and the rows of its items in their order."""


def finished(crew: Crew, job: Job, parts: Iterable[Part]) -> Iterator[Finished]:
    """Yield the number and the rows of each part as soon as it is finished.

    If a process dies twice on a part, the items of the part are done one by one. An item on which a
    process dies twice then gets the row `Job.lost`.

    Parameters
    ----------
    parts : numbers that ascend, with items. They are taken when a process is free.

    Raises
    ------
    SpeechRnnError
        if the job cannot start, or if one process after the other dies without a result.
    """
    return _Schedule(crew, job, parts).run()


def in_order(crew: Crew, job: Job, parts: Iterable[Part]) -> Iterator[Finished]:
    """Yield what `finished` yields, in the order of the parts; few parts wait for their turn."""
    early: dict[int, list[Any]] = {}
    waiting: deque[int] = deque()

    def noted() -> Iterator[Part]:
        for number, items in parts:
            waiting.append(number)
            yield number, items

    for number, rows in _Schedule(crew, job, noted(), AHEAD * crew.n_workers).run():
        early[number] = rows
        while waiting and waiting[0] in early:
            first = waiting.popleft()
            yield first, early.pop(first)


@dataclass
class _Task:
    """Items of a part from `place` on: all of them, or one."""

    number: int
    place: int
    items: Sequence[Any]
    deaths: int = 0


@dataclass
class _Open:
    """A part that is not finished: its number of items, and the rows of the tasks that are."""

    n_items: int
    rows: dict[int, list[Any]] = field(default_factory=dict)
    n_done: int = 0


class _Schedule:
    """The state of a run.

    Parameters
    ----------
    ahead : number of parts that may be begun behind the oldest unfinished one; None for any number.
    """

    def __init__(
        self, crew: Crew, job: Job, parts: Iterable[Part], ahead: int | None = None
    ) -> None:
        self._crew, self._job, self._parts, self._ahead = crew, job, iter(parts), ahead
        self._again: deque[_Task] = deque()
        self._running: dict[int, _Task] = {}
        self._open: dict[int, _Open] = {}
        self._n_begun = self._n_deaths = 0
        self._next: Part | None = next(self._parts, None)

    def run(self) -> Iterator[Finished]:
        while True:
            while len(self._running) < self._crew.n_workers and (task := self._task()):
                self._n_begun += 1
                self._running[self._n_begun] = task
                self._crew.begin(self._n_begun, task.items)
            if not self._running:
                return
            for key, answer in self._crew.answers():
                task = self._running.pop(key)
                if isinstance(answer, Died):
                    self._bury(task, answer)
                else:
                    self._n_deaths = 0
                    self._keep(task, answer)
            yield from self._whole()

    def _task(self) -> _Task | None:
        """Return the next task: one of a dead process, or a part that is not too far ahead."""
        if self._again:
            return self._again.popleft()
        if self._next is None:
            return None
        number, items = self._next
        if self._ahead and self._open and number - min(self._open) > self._ahead:
            return None
        self._next = next(self._parts, None)
        self._open[number] = _Open(len(items))
        return _Task(number, 0, items)

    def _bury(self, task: _Task, died: Died) -> None:
        """Do the task of a dead process again, item by item after `MOST_DEATHS`."""
        self._n_deaths += 1
        if self._n_deaths >= MOST_IN_A_ROW * self._crew.n_workers:
            raise SpeechRnnError(
                f"{self._n_deaths} processes ended one after the other without a result (the last "
                f"with {died.reason}, at {task.items[0]!r:.200}); check the memory of the machine, "
                "or use fewer processes"
            )
        task.deaths += 1
        if task.deaths < MOST_DEATHS:
            self._again.append(task)
        elif len(task.items) > 1:
            self._again.extend(
                _Task(task.number, place, [item]) for place, item in enumerate(task.items)
            )
        else:
            self._keep(task, [self._job.lost(task.items[0], died.reason)])

    def _keep(self, task: _Task, rows: list[Any]) -> None:
        part = self._open[task.number]
        part.rows[task.place] = rows
        part.n_done += len(task.items)

    def _whole(self) -> Iterator[Finished]:
        """Yield the parts that are finished."""
        finished = [key for key, part in self._open.items() if part.n_done == part.n_items]
        for number in finished:
            rows = self._open.pop(number).rows
            yield number, [row for place in sorted(rows) for row in rows[place]]
