"""Run a command, and print its duration and its peak memory as JSON.

This script is run by its path and imports little, because Linux counts the memory of a process's
parent towards the peak of the child.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time


def _peak_bytes() -> float | None:
    """Return the peak memory of the finished child process; None if it is not measured here."""
    if sys.platform == "win32":
        return None
    import resource

    scale = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * scale


def main() -> None:
    """Time a command until its first line of output and until its end."""
    with tempfile.TemporaryFile() as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=errors)
        assert process.stdout is not None
        process.stdout.readline()
        first_line = time.perf_counter() - begun
        while process.stdout.read(1 << 16):
            pass
        process.wait()
        seconds = time.perf_counter() - begun
        errors.seek(0)
        found = {
            "first_line_seconds": first_line,
            "seconds": seconds,
            "peak_bytes": _peak_bytes(),
            "exit_code": process.returncode,
            "errors": errors.read().decode(errors="replace").strip(),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
