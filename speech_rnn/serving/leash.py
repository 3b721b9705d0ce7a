"""Run a command that ends with its starter: ``python -m speech_rnn.serving.leash COMMAND …``.

The starter gives a pipe as standard input, and keeps its other end open. However the starter ends,
even by SIGKILL, the system closes that end. Then the whole process group is ended, so that the
starter has to make one for the command (``start_new_session=True``).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

STOP_SECONDS = 5.0
"""Time that a command has to end after it was asked to."""


def main() -> None:
    """Run the command, and exit with its code."""
    # SIGTERM asks the whole group; this process waits for the others. The command would inherit
    # SIG_IGN, but not a handler.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    except OSError as error:
        sys.exit(f"error: the command cannot start: {error}")
    is_alone = threading.Event()
    watcher = threading.Thread(target=_end_with_starter, args=[is_alone], daemon=True)
    watcher.start()
    code = process.wait()
    if is_alone.is_set():
        watcher.join()  # processes that the command has started may be left
    sys.exit(code if code >= 0 else 128 - code)


def _end_with_starter(is_alone: threading.Event) -> None:
    """Wait until the starter is gone, and end the group."""
    os.read(0, 1)  # nothing is ever written
    is_alone.set()
    os.killpg(0, signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
