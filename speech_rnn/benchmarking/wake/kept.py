"""Results of earlier runs: who has heard a stream need not hear it again.

So a run that was stopped goes on, and a new recogniser is put beside engines that took hours.
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
    """A contender and what it is to hear."""

    contender: Contender
    condition: str
    scene: Scene


class Kept:
    """Results in a folder, a file each.

    Parameters
    ----------
    folder : the benchmark's output folder; results lie in its folder ``heard``.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder) / FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)

    def find(self, task: Task) -> Listened | None:
        """Return the result of the same contender on the same sound, if there is one."""
        file = self._file(task)
        if not file.is_file():
            return None
        return Listened.from_dict(json.loads(file.read_text(encoding="utf-8")))

    def keep(self, task: Task, listened: Listened) -> None:
        """Keep a result."""
        atomic.write_json(self._file(task), listened.to_dict())

    def _file(self, task: Task) -> Path:
        given = [FORMAT, task.contender.identity, task.condition, _fingerprint(task.scene)]
        digest = hashlib.sha256(json.dumps(given).encode()).hexdigest()
        return self._folder / f"{digest[:32]}.json"


def _fingerprint(scene: Scene) -> str:
    """Return a text that tells a planned stream, in a room or not, from any other."""
    digest = hashlib.sha256()
    if isinstance(scene, InRoom):
        digest.update(scene.response.tobytes())
        scene = scene.scene
    assert isinstance(scene, LongStream)
    digest.update(repr(scene).encode())
    files = {piece.audio for segment in scene.segments for piece in segment.pieces}
    for file in sorted(files | {segment.noise for segment in scene.segments}):
        size = Path(file).stat().st_size if Path(file).is_file() else 0  # pink noise is no file
        digest.update(f"{file} {size}".encode())
    return digest.hexdigest()
