"""The command lines that a user types."""

import importlib
import io
import logging
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from speech_rnn import cli

WIDE = {"COLUMNS": "200"}


def speech_rnn(verb, *arguments, cwd, stdin=None, timeout=300, module=False, apart=False):
    """Run `speech-rnn verb`, or `python -m speech_rnn.verb`, and return the finished process.

    It runs within this process, which has loaded torch already; `apart`, in one of its own.
    """
    arguments = [str(argument) for argument in arguments]
    if not apart:
        return _run_here(verb, arguments, cwd, stdin or "", module)
    start = [f"speech_rnn.{verb}"] if module else ["speech_rnn", verb]
    return subprocess.run(
        [sys.executable, "-m", *start, *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=not isinstance(stdin, bytes),
        timeout=timeout,
        env=os.environ | WIDE,
    )


def typed(verb, folder, monkeypatch, *options):
    """Return a function that runs `speech-rnn verb options arguments` in a folder, in this process.

    It stays in the folder, and passes on what is raised.
    """
    monkeypatch.chdir(folder)

    def run(*arguments, stdin=None):
        command = [verb, *options, *map(str, arguments)]
        return CliRunner().invoke(cli.app, command, input=stdin, env=WIDE)

    return run


def on_a_terminal(verb, *arguments, cwd):
    """Run `speech-rnn verb` with standard error on a terminal; return its output and what shows."""
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "speech_rnn", verb, *arguments]
    result = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=theirs, timeout=300)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    return result.stdout.decode(), shown


def _run_here(verb, arguments, cwd, stdin, module):
    content = stdin if isinstance(stdin, bytes) else stdin.encode()
    pipes = {"stdin": content, "stdout": b"", "stderr": b""}
    pipes = {name: io.TextIOWrapper(io.BytesIO(pipe), "utf-8") for name, pipe in pipes.items()}
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.setenv("COLUMNS", WIDE["COLUMNS"])
        # Hydra composes everything once more to read `hydra.mode`, which no file here sets.
        patch.setattr("hydra._internal.hydra.Hydra.get_mode", lambda *_, **__: None)
        for name, pipe in pipes.items():
            patch.setattr(sys, name, pipe)
        patch.setattr(
            sys, "argv", [verb, *arguments] if module else ["speech-rnn", verb, *arguments]
        )
        door = importlib.import_module(f"speech_rnn.{verb}" if module else "speech_rnn.cli")
        try:
            door.main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        finally:
            root.handlers[:], root.level = handlers, level  # Hydra sets its own
    said = []
    for name in ("stdout", "stderr"):
        pipes[name].flush()
        printed = pipes[name].buffer.getvalue()
        said.append(printed if isinstance(stdin, bytes) else printed.decode())
    return subprocess.CompletedProcess([verb, *arguments], code, *said)
