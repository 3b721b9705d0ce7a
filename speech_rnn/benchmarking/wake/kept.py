"""Stored results of earlier runs, so that no contender runs over the same stream twice.

A run that was stopped can therefore be continued, and a new recogniser can be compared with engines
that took hours, without running those again.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from speech_rnn.benchmarking.wake.contenders import Contender
from speech_rnn.benchmarking.wake.results import Listened
from speech_rnn.benchmarking.wake.scenes import InRoom
from speech_rnn.detection.det_curve import Scene
from speech_rnn.detection.long_streams import LongStream
from speech_rnn.storage import atomic

FORMAT = 1
FOLDER = "heard"


class Task(NamedTuple):
    """A contender and the condition under which it runs."""

    contender: Contender
    condition: str
    scene: Scene


class Kept:
    """Stored results in a folder, one file each.

    Parameters
    ----------
    folder : output folder of the benchmark; results are stored in its folder ``heard``.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder) / FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)

    def find(self, task: Task) -> Listened | None:
        """Return the stored result of the same contender on the same sound, or None."""
        file = self._file(task)
        if not file.is_file():
            return None
        return Listened.from_dict(json.loads(file.read_text(encoding="utf-8")))

    def keep(self, task: Task, listened: Listened) -> None:
        """Store a result."""
        atomic.write_json(self._file(task), listened.to_dict())

    def _file(self, task: Task) -> Path:
        given = [FORMAT, task.contender.identity, task.condition, _fingerprint(task.scene)]
        digest = hashlib.sha256(json.dumps(given).encode()).hexdigest()
        return self._folder / f"{digest[:32]}.json"


def _fingerprint(scene: Scene) -> str:
    """Return a text that identifies a planned stream and the room it is played in."""
    digest = hashlib.sha256()
    if isinstance(scene, InRoom):
        digest.update(scene.response.tobytes())
        scene = scene.scene
    assert isinstance(scene, LongStream)
    digest.update(repr(scene).encode())
    files = {piece.audio for segment in scene.segments for piece in segment.pieces}
    for file in sorted(files | {segment.noise for segment in scene.segments}):
        size = Path(file).stat().st_size if Path(file).is_file() else 0  # pink noise has no file
        digest.update(f"{file} {size}".encode())
    return digest.hexdigest()
