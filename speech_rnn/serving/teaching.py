"""A training in a process of its own, one at a time, with its progress."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from speech_rnn.serving import leash
from speech_rnn.serving.leash import STOP_SECONDS
from speech_rnn.serving.logs import log
from speech_rnn.serving.refusals import BUSY, RefusalError
from speech_rnn.serving.service import within
from speech_rnn.serving.workers import LOW_PRIORITY
from speech_rnn.training.epochs import read_epoch

PREFIX = re.compile(r"^\[[^]]*\]\[[^]]*\]\[\w+\] - ")
"""Time, file and level before each line of the log of a training."""
ERROR = re.compile(r"^error: ")
LINE_BYTES = 1 << 20
MOST_LINES = 12
"""Last lines of the output that an error shows."""


@dataclass(frozen=True)
class Progress:
    """The state of the training.

    Parameters
    ----------
    status : ``idle``, ``running``, ``done``, ``stopped`` or ``failed``.
    epoch : number of epochs that have ended.
    n_epochs : number of epochs; 0 before the first has ended.
    figures : figures of the last epoch by their names, such as ``validation error rate``.
    line : last line of the output.
    error : reason of a failure.
    """

    status: str = "idle"
    epoch: int = 0
    n_epochs: int = 0
    figures: Mapping[str, float] = field(default_factory=dict)
    line: str = ""
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; figures that are not finite become texts."""
        figures = {name: f"{value:.3g}" for name, value in self.figures.items()}
        return asdict(self) | {"figures": figures}


class Teaching:
    """Runs a training at a time, as a child process of low priority.

    Attributes
    ----------
    progress : state of the running or last training.
    """

    def __init__(self) -> None:
        self.progress = Progress()
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_asked_to_stop = False

    @property
    def is_running(self) -> bool:
        """Whether a training runs."""
        return self.progress.status == "running"

    async def start(self, command: Sequence[str], when_done: Callable[[], Awaitable[None]]) -> None:
        """Start a command.

        Parameters
        ----------
        command : program and arguments.
        when_done : is awaited after the command has succeeded.

        Raises
        ------
        RefusalError
            if a training runs already.
        """
        if self.is_running:
            raise RefusalError(BUSY, "a training is running; stop it, or wait for its end")
        self.progress, self._is_asked_to_stop = Progress("running"), False
        self._process = self._task = None
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", leash.__name__, *command),
                stdin=asyncio.subprocess.PIPE,  # its end here closes with this process
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},  # lines in the order of their writing
                limit=LINE_BYTES,
                start_new_session=True,  # it and its workers are stopped together
            )
        except OSError as error:
            self.progress = Progress("failed", error=f"the training cannot start: {error}")
            return
        with suppress(OSError):  # streams go first
            os.setpriority(os.PRIO_PROCESS, self._process.pid, LOW_PRIORITY)
        log("training started")
        self._task = asyncio.ensure_future(self._follow(self._process, when_done))

    async def stop(self) -> None:
        """Stop the training, if one runs, and wait for its end."""
        process, task = self._process, self._task
        if process is None or task is None or not self.is_running:
            return
        self._is_asked_to_stop = True
        _signal(process, signal.SIGTERM)
        try:
            await within(STOP_SECONDS, asyncio.shield(task))
        except TimeoutError:
            _signal(process, signal.SIGKILL)
            await task

    async def _follow(
        self, process: asyncio.subprocess.Process, when_done: Callable[[], Awaitable[None]]
    ) -> None:
        """Read the output of a process to its end, and set the state."""
        assert process.stdout is not None
        lines: deque[str] = deque(maxlen=MOST_LINES)
        try:
            async for content in process.stdout:
                line = PREFIX.sub("", content.decode(errors="replace").rstrip())
                lines.append(line)
                self._take(line)
            code = await process.wait()
            if self._is_asked_to_stop:
                self.progress = replace(self.progress, status="stopped")
            elif code:
                self._fail(_reason(lines, code))
            else:
                await when_done()
                self.progress = replace(self.progress, status="done")
        except Exception as error:
            _signal(process, signal.SIGKILL)
            await process.wait()
            self._fail(f"{type(error).__name__}: {error}")
        log("training ended", status=self.progress.status)

    def _take(self, line: str) -> None:
        epoch = read_epoch(line)
        if epoch is None:
            self.progress = replace(self.progress, line=line)
        else:
            self.progress = Progress(
                "running", epoch.number, epoch.n_epochs, dict(epoch.figures), line
            )

    def _fail(self, reason: str) -> None:
        self.progress = replace(self.progress, status="failed", error=reason)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Send a signal to a process and to those that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _reason(lines: Sequence[str], code: int) -> str:
    """Return the error among the last lines, or these lines."""
    errors = [place for place, line in enumerate(lines) if ERROR.match(line)]
    reason = list(lines)[errors[-1] :] if errors else [f"exit code {code}", *lines]
    return "\n".join(reason)
