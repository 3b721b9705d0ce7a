"""The contenders: other engines, by name, and recognisers of this package, by file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.benchmarking.wake.microwakeword import MicroWakeWord
from speech_rnn.benchmarking.wake.openwakeword import OpenWakeWord
from speech_rnn.benchmarking.wake.rival import RATE, Rival, run_rival
from speech_rnn.benchmarking.wake.scenes import OfWords
from speech_rnn.benchmarking.wake.wakeforge import Wakeforge
from speech_rnn.detection.det_curve import (
    THRESHOLDS,
    Scene,
    SceneDetections,
    detect_in,
)
from speech_rnn.engines.loading import RUN_FILE
from speech_rnn.errors import ConfigurationError, MissingExtraError
from speech_rnn.evaluation.machine import versions
from speech_rnn.recognizer import Recognizer
from speech_rnn.storage.hashing import file_sha256
from speech_rnn.streaming.stream import reasons_against_streaming

RIVALS: dict[str, Any] = {
    "openWakeWord": OpenWakeWord,
    "microWakeWord": MicroWakeWord,
    "wakeforge": Wakeforge,
}
"""Adapter of each engine, by the engine's name; see `Rival`."""
LONGEST_REASON = 200

Listening = Callable[[NDArray[np.int16]], object]
"""A function that takes the next samples of a stream."""


@dataclass(frozen=True)
class Contender:
    """A detector of words that can run in any process.

    Parameters
    ----------
    name : name in tables.
    words : words of the benchmark that it detects.
    """

    name: str
    words: tuple[str, ...]

    def detect(self, scene: Scene) -> SceneDetections:
        """Run over a scene from its start, with its own thresholds and with `THRESHOLDS`."""
        raise NotImplementedError

    @property
    def identity(self) -> list[str]:
        """Texts that identify it: contenders with the same identity have the same results."""
        raise NotImplementedError

    def listening(self) -> Listening:
        """Return a function to time, which takes samples."""
        raise NotImplementedError

    @property
    def n_bytes(self) -> int:
        """Size of its model files in bytes."""
        raise NotImplementedError

    def apart(self) -> list[Contender]:
        """Return contenders whose cost is timed separately: other engines have a model per word."""
        return [self]


@dataclass(frozen=True)
class Other(Contender):
    """Another engine; its name is a key of `RIVALS`."""

    def _load(self) -> Rival:
        rival: Rival = RIVALS[self.name](self.words)
        return rival

    def detect(self, scene: Scene) -> SceneDetections:
        """Run over a scene from its start, with its own thresholds and with `THRESHOLDS`."""
        return run_rival(self._load(), scene, THRESHOLDS)

    @property
    def identity(self) -> list[str]:
        """The name, the versions of its packages, and its words."""
        found = versions(RIVALS[self.name].packages)
        return [self.name, *map(str, found.items()), *self.words]

    def listening(self) -> Listening:
        """Return a function to time, which takes samples."""
        return self._load().push

    @property
    def n_bytes(self) -> int:
        """Size of its model files in bytes."""
        return sum(Path(file).stat().st_size for file in self._load().files)

    def apart(self) -> list[Contender]:
        """Return a contender for each word."""
        return [replace(self, words=(word,)) for word in self.words]


@dataclass(frozen=True)
class Own(Contender):
    """A recogniser of this package.

    Parameters
    ----------
    path : file of the recogniser.
    """

    path: str

    def detect(self, scene: Scene) -> SceneDetections:
        """Run over a scene from its start, with its own thresholds and with `THRESHOLDS`."""
        recognizer = Recognizer.load(self.path)
        known = OfWords(scene, self.words)
        return detect_in(recognizer, known, recognizer.own_spotting, THRESHOLDS)

    @property
    def identity(self) -> list[str]:
        """The name, the content of the file, and the words."""
        return [self.name, file_sha256(self.path), *self.words]

    def listening(self) -> Listening:
        """Return a function to time, which takes samples."""
        return Recognizer.load(self.path).stream(RATE, check=False).push

    @property
    def n_bytes(self) -> int:
        """Size of its file in bytes."""
        return Path(self.path).stat().st_size


def named_models(files: Sequence[str | Path], words: Sequence[str]) -> list[Own]:
    """Return the recognisers of files or run folders, each with those of the words that it has.

    Raises
    ------
    ModelError
        if a file is not a recogniser.
    ConfigurationError
        if a recogniser cannot stream, has none of the words, or is given twice.
    """
    found: list[Own] = []
    for given in map(Path, files):
        recognizer = Recognizer.load(given)
        file = given / RUN_FILE if given.is_dir() else given
        if reasons := reasons_against_streaming(recognizer.engine, recognizer.vocabulary):
            raise ConfigurationError("\n".join([f"model={str(file)!r} cannot listen:", *reasons]))
        known = tuple(word for word in words if word in recognizer.vocabulary.words)
        if not known:
            raise ConfigurationError(
                f"model={str(file)!r} has none of the words {', '.join(words)}; give one of "
                f"its words with --word: {', '.join(recognizer.vocabulary.words)}"
            )
        if any(file.samefile(other.path) for other in found):
            raise ConfigurationError(f"model={str(file)!r} is given twice; give it once")
        is_of_run = file.name == RUN_FILE  # all runs use this name: show the folder's name instead
        name = file.resolve().parent.name if is_of_run else file.stem
        if any(name == other.name for other in found):
            name = str(file)
        found.append(Own(name, known, str(file)))
    return found


def rivals(words: Sequence[str]) -> tuple[list[Other], dict[str, str]]:
    """Return the other engines that can be loaded, and the reason for each that is left out."""
    found, missing = [], {}
    for name, adapter in RIVALS.items():
        known = tuple(word for word in words if word in adapter.known)
        if not known:
            missing[name] = f"it has no model of {', '.join(words)}"
            continue
        try:
            adapter(known)
        except Exception as error:  # other libraries raise errors of any kind
            if isinstance(error, ImportError) and error.name:
                error = MissingExtraError(error.name, "peers")
            missing[name] = (str(error).splitlines() or [type(error).__name__])[0][:LONGEST_REASON]
        else:
            found.append(Other(name, known))
    return found, missing
