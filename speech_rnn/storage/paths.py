"""Paths as tables of other programs write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def sound_path(name: Any, folder: Path) -> str:
    """Return the path of a sound file that a table in a folder names.

    Backslashes part folders, as on Windows, unless there is a file of that name; ``~`` is the home
    folder. A bare name is looked for in the folder's ``clips`` too, where Common Voice has them.

    Raises
    ------
    ValueError
        if the name is no text.
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
