"""A crew of actors on a Ray cluster."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from speech_rnn.errors import ConfigurationError, MissingExtraError, SpeechRnnError, notes
from speech_rnn.parallel.job import Answer, Died, Job, Worker

if TYPE_CHECKING:
    from types import ModuleType

LOCAL, RUNNING = "local", "auto"
"""Addresses that stand for a new cluster on this machine, and for the one that runs here."""
ADDRESS = re.compile(r"(?:ray://)?(?P<host>[^:/\s]+|\[[\da-fA-F:]+\]):(?P<port>\d{1,5})")
ANSWER_SECONDS = 5.0
"""Seconds within which a cluster has to answer."""


@contextmanager
def ray_actors(job: Job, address: str, jobs: int | None, n_parts: int) -> Iterator[RayActors]:
    """Yield a crew of actors, which end with the block, as does a cluster that it starts.

    Parameters
    ----------
    address : ``HOST:PORT`` or ``ray://HOST:PORT`` of a cluster; ``auto`` for the one that runs on
        this machine, ``local`` for a new one.
    jobs : number of actors, each with one CPU; None is one for each CPU of the cluster. There are
        no more of them than parts.

    Raises
    ------
    ConfigurationError
        if nothing answers at the address, or if it is no address.
    MissingExtraError
        if Ray is not installed.
    """
    check_address(address)
    ray = _ray()
    _connect(ray, address, jobs)
    try:
        n_workers = jobs or max(1, int(ray.cluster_resources().get("CPU", 1)))
        yield RayActors(ray, job, min(n_workers, n_parts))
    finally:
        ray.shutdown()


def check_address(address: str) -> None:
    """Raise a `ConfigurationError` if an address has another form, or if nothing answers there."""
    if address in (LOCAL, RUNNING):
        return
    found = ADDRESS.fullmatch(address)
    if found is None or int(found["port"]) > 65_535:
        raise ConfigurationError(
            f"ray={address!r} must be HOST:PORT of a Ray cluster, {RUNNING} for the one that runs "
            f"on this machine, or {LOCAL} for a new one"
        )
    try:
        place = found["host"].strip("[]"), int(found["port"])
        socket.create_connection(place, ANSWER_SECONDS).close()
    except OSError as error:
        raise ConfigurationError(
            f"ray={address!r} does not answer ({error.strerror or error}); start a cluster there "
            "with  ray start --head  , or check host and port"
        ) from error


def _ray() -> ModuleType:
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtraError("ray", "ray", "work on a cluster") from error
    return ray


def _connect(ray: ModuleType, address: str, jobs: int | None) -> None:
    own = {"num_cpus": jobs, "include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(address=address, logging_level=logging.ERROR, **own)
    except Exception as error:  # Ray has no class of its own for a node that does not start
        raise ConfigurationError(
            f"ray={address!r} cannot be used: {str(error).strip().splitlines()[0]}"
        ) from error


class RayActors:
    """A crew of actors; see `Crew`."""

    def __init__(self, ray: ModuleType, job: Job, n_workers: int) -> None:
        self.n_workers = n_workers
        self._ray = ray
        self._kind = ray.remote(num_cpus=1)(_Actor)
        self._job = ray.put(job)
        self._idle = [self._kind.remote(self._job) for _ in range(n_workers)]
        self._busy: dict[Any, tuple[int, Any]] = {}

    def begin(self, task: int, items: Sequence[Any]) -> None:
        """Give a task to an actor that has none."""
        actor = self._idle.pop() if self._idle else self._kind.remote(self._job)
        self._busy[actor.answer.remote(list(items))] = task, actor

    def answers(self) -> list[Answer]:
        """Wait for tasks, and return those that have ended; see `Crew`."""
        found: list[Answer] = []
        ready, _ = self._ray.wait(list(self._busy))
        for reference in ready:
            task, actor = self._busy.pop(reference)
            try:
                answer = self._ray.get(reference)
            except self._ray.exceptions.RayError as error:
                self._ray.kill(actor)
                found.append((task, Died(str(error).strip().splitlines()[0])))
                continue
            self._idle.append(actor)
            if isinstance(answer, SpeechRnnError):
                raise answer
            found.append((task, answer))
        return found


class _Actor(Worker):
    """The work of an actor, whose answers alone reach the terminal of the one who waits.

    Ray prints the standard output of actors among those answers, and libraries write there.
    """

    def __init__(self, job: Job) -> None:
        os.dup2(2, 1)
        with notes():
            super().__init__(job)

    def answer(self, items: Sequence[Any]) -> list[Any] | SpeechRnnError:
        """Return the rows of items, or the error that makes the job impossible."""
        with notes():
            return super().answer(items)
