"""Paths in tables of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def sound_path(name: Any, folder: Path) -> str:
    """Return the path of a sound file that a table in a folder names.

    Backslashes separate folders, as on Windows, unless a file has that name; ``~`` is the home
    folder. A bare name is also searched for in the subfolder ``clips``, as Common Voice has it.

    Raises
    ------
    ValueError
        if the name is not a text.
    """
    if not isinstance(name, str):
        raise ValueError(f"{str(name)[:40]} must be the path of a sound file")
    if "\\" in name and not (folder / name).exists():
        name = name.replace("\\", "/")
    if name.startswith("~/"):
        name = str(Path(name).expanduser())
    in_clips = folder / "clips" / name
    is_there = "/" not in name and not (folder / name).exists() and in_clips.is_file()
    return str(in_clips if is_there else folder / name)
