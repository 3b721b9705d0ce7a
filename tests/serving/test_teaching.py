"""A training as a child process: its progress, its end, its errors, one at a time."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from speech_rnn.serving.refusals import RefusalError
from speech_rnn.serving.teaching import Teaching
from speech_rnn.training.epochs import Epoch
from tests.serving.running import until

LINES = [Epoch(n, 2, {"validation error rate": 1 / n}).line() for n in (1, 2)]


def command(*lines):
    return [sys.executable, "-c", "\n".join(lines)]


async def nothing():
    pass


async def ended(teaching, seconds=30):
    end = time.monotonic() + seconds
    while teaching.is_running:
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    return teaching.progress


def test_the_progress_is_that_of_the_last_epoch():
    async def main():
        teaching, done = Teaching(), []

        async def publish():
            done.append(teaching.progress.status)

        lines = [f"print('[2026-01-01 00:00:00,000][root][INFO] - {line}')" for line in LINES]
        await teaching.start(command(*lines, "print('the end')"), publish)
        found = await ended(teaching)
        assert (found.status, found.epoch, found.n_epochs) == ("done", 2, 2)
        assert found.to_dict()["figures"] == {"validation error rate": "0.5"}
        assert found.line == "the end"
        assert done == ["running"]

    asyncio.run(main())


def test_an_error_of_the_training_is_its_last_error_line():
    async def main():
        teaching = Teaching()
        code = ("print('much')", "import sys", "sys.exit('error: no voices; install them')")
        await teaching.start(command(*code), nothing)
        found = await ended(teaching)
        assert (found.status, found.error) == ("failed", "error: no voices; install them")
        await teaching.start(command("print('before')", "1 / 0"), nothing)
        found = await ended(teaching)
        assert found.error.startswith("exit code 1\nbefore\n")
        assert found.error.endswith("ZeroDivisionError: division by zero")
        await teaching.start(["/no/such/program"], nothing)
        assert (await ended(teaching)).error.startswith("error: the command cannot start: ")

    asyncio.run(main())


def test_a_result_that_cannot_be_kept_is_an_error():
    async def main():
        async def publish():
            raise OSError("the disk is full")

        teaching = Teaching()
        await teaching.start(command("print(1)"), publish)
        found = await ended(teaching)
        assert (found.status, found.error) == ("failed", "OSError: the disk is full")

    asyncio.run(main())


@pytest.mark.parametrize("ignores", [False, True], ids=["obeys", "ignores SIGTERM"])
def test_a_training_and_its_workers_are_stopped(ignores, tmp_path, monkeypatch):
    monkeypatch.setattr("speech_rnn.serving.teaching.STOP_SECONDS", 0.5)
    worker = "import time; time.sleep(60)"

    async def main():
        teaching = Teaching()
        code = [
            "import signal, subprocess, sys, time",
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)" if ignores else "",
            f"worker = subprocess.Popen([sys.executable, '-c', {worker!r}])",
            f"print(worker.pid, {LINES[0]!r}, flush=True)",
            "time.sleep(60)",
        ]
        await teaching.start(command(*code), nothing)
        while not teaching.progress.epoch:
            await asyncio.sleep(0.01)
        with pytest.raises(RefusalError, match="is running"):
            await teaching.start(command("print(1)"), nothing)
        pid = int(teaching.progress.line.split()[0])
        await teaching.stop()
        assert teaching.progress.status == "stopped"
        while _is_alive(pid):
            await asyncio.sleep(0.01)
        await teaching.stop()  # again, without an effect

    asyncio.run(main())


STARTER = """
import asyncio, sys
from speech_rnn.serving.teaching import Teaching

async def main():
    teaching = Teaching()
    await teaching.start([sys.executable, "-c", sys.argv[1]], None)
    while len(teaching.progress.line.split()) < 2:
        await asyncio.sleep(0.01)
    print(teaching.progress.line, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("ignores", [False, True], ids=["obeys", "ignores SIGTERM"])
def test_a_training_and_its_workers_end_when_the_server_is_killed(ignores):
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN); " if ignores else ""
    worker = f"import signal, time; {ignore}time.sleep(60)"
    training = (
        "import os, subprocess, sys, time; "
        f"worker = subprocess.Popen([sys.executable, '-c', {worker!r}]); "
        "print(os.getpid(), worker.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", STARTER, training]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        pids = [int(pid) for pid in server.stdout.readline().split()]
        assert all(_is_alive(pid) for pid in pids)
        server.kill()
    until(lambda: not any(_is_alive(pid) for pid in pids), 30)


def _is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat").read_text()
    return status.rpartition(")")[2].split()[0] != "Z"  # it has ended, and waits for its parent
