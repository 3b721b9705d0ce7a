"""The command lines that a user types, in processes of their own."""

import os
import subprocess
import sys


def speech_rnn(verb, *arguments, cwd, stdin=None, timeout=300, module=False):
    """Run `speech-rnn verb`, or `python -m speech_rnn.verb`, and return the finished process."""
    start = [f"speech_rnn.{verb}"] if module else ["speech_rnn", verb]
    return subprocess.run(
        [sys.executable, "-m", *start, *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=not isinstance(stdin, bytes),
        timeout=timeout,
        env=os.environ | {"COLUMNS": "200"},
    )
