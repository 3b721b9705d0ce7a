"""Make slow things once, and share them between all processes of a test run (pytest-xdist)."""

import shutil
from collections.abc import Callable
from pathlib import Path

from speech_rnn.storage.folders import locked

FOLDER = Path()
"""Folder of this test run, which `conftest.py` sets."""


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that `make` has filled, here or in another process."""
    folder, done = FOLDER / name, FOLDER / f"{name}.done"
    with locked(FOLDER / f"{name}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # a test that failed left it unfinished
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
