"""The command lines that a user types, in processes of their own."""

import os
import subprocess
import sys


def speech_rnn(verb, *arguments, cwd, stdin=None, timeout=300, module=False, threads=1):
    """Run `speech-rnn verb`, or `python -m speech_rnn.verb`, and return the finished process.

    One thread is enough for tiny models, and two that contend are far slower.
    """
    start = [f"speech_rnn.{verb}"] if module else ["speech_rnn", verb]
    return subprocess.run(
        [sys.executable, "-m", *start, *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=not isinstance(stdin, bytes),
        timeout=timeout,
        env=os.environ | {"COLUMNS": "200", "OMP_NUM_THREADS": str(threads)},
    )
