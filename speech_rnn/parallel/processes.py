"""A crew of processes on this machine, each with one thread."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from speech_rnn.errors import SpeechRnnError, notes
from speech_rnn.parallel.job import Answer, Died, Job, Worker

THREADS = "OMP_NUM_THREADS"


@contextmanager
def processes(job: Job, n_workers: int) -> Iterator[Processes]:
    """Yield a crew of that number of processes, which end with the block."""
    crew = Processes(job, n_workers)
    try:
        yield crew
    finally:
        crew.end()


class Processes:
    """A crew of processes; see `Crew`."""

    def __init__(self, job: Job, n_workers: int) -> None:
        self.n_workers = n_workers
        self._job = job
        self._idle = [_Process(job) for _ in range(n_workers)]
        self._busy: dict[Connection, tuple[int, _Process]] = {}

    def begin(self, task: int, items: Sequence[Any]) -> None:
        """Give a task to a process that has none."""
        process = self._idle.pop() if self._idle else _Process(self._job)
        self._busy[process.ours] = task, process
        process.send(items)

    def answers(self) -> list[Answer]:
        """Wait for tasks, and return those that have ended; see `Crew`."""
        found: list[Answer] = []
        for ours in wait(list(self._busy)):
            task, process = self._busy.pop(ours)  # type: ignore[call-overload]
            answer = process.receive()
            if isinstance(answer, SpeechRnnError):
                self._idle.append(process)
                raise answer
            if not isinstance(answer, Died):
                self._idle.append(process)
            found.append((task, answer))
        return found

    def end(self) -> None:
        """End all processes at once. They write no files."""
        living = [*self._idle, *(process for _, process in self._busy.values())]
        for process in living:
            process.kill()


class _Process:
    """A process with a pipe to it.

    A process that was killed closes its end of the pipe, so that reading from ours fails.
    """

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self.ours, theirs = context.Pipe()
        self._process: SpawnProcess = context.Process(
            target=_serve, args=(job, theirs), daemon=True
        )
        with _alone():
            self._process.start()
        theirs.close()

    def send(self, items: Sequence[Any]) -> None:
        """Send the items of a task. If the process has died, `receive` says so."""
        with suppress(OSError):  # it has died while it had no task
            self.ours.send(items)

    def receive(self) -> list[Any] | SpeechRnnError | Died:
        """Return what the process answers."""
        try:
            return self.ours.recv()
        except (EOFError, OSError):
            self.kill()
            return Died(f"exit code {self._process.exitcode}")

    def kill(self) -> None:
        """End the process, and wait until it has ended."""
        self._process.kill()
        self._process.join()
        self.ours.close()


@contextmanager
def _alone() -> Iterator[None]:
    """Let a process that starts have one thread, unless the user chose more, and no Ctrl-C.

    A terminal sends Ctrl-C to all processes; this one gets it and ends the others.
    """
    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if is_main else None
    chosen = os.environ.get(THREADS)
    os.environ.setdefault(THREADS, "1")
    try:
        yield
    finally:
        if chosen is None:
            del os.environ[THREADS]
        if is_main:
            signal.signal(signal.SIGINT, handler)


def _serve(job: Job, pipe: Connection) -> None:
    """Answer tasks until the process that sends them closes the pipe or ends."""
    end_with_parent()
    worker = Worker(job)
    with notes():
        while True:
            try:
                items = pipe.recv()
            except (EOFError, OSError):
                return
            pipe.send(worker.answer(items))


def end_with_parent() -> None:
    """Let this process end, also in the middle of a task, when its parent was killed."""
    threading.Thread(target=_end_after_parent, daemon=True).start()


def _end_after_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
