"""Those that listen: engines of others by their names, and recognisers of this package by file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.benchmarking.wake.microwakeword import MicroWakeWord
from speech_rnn.benchmarking.wake.openwakeword import OpenWakeWord
from speech_rnn.benchmarking.wake.rival import RATE, Rival, hear_rival
from speech_rnn.benchmarking.wake.scenes import OfWords
from speech_rnn.benchmarking.wake.wakeforge import Wakeforge
from speech_rnn.detection.det_curve import THRESHOLDS, Heard, Scene, hear, own_spotting
from speech_rnn.engines.loading import RUN_FILE
from speech_rnn.errors import ConfigurationError, MissingExtraError
from speech_rnn.evaluation.machine import versions
from speech_rnn.recognizer import Recognizer
from speech_rnn.streaming.stream import reasons_against_streaming

RIVALS: dict[str, Any] = {
    "openWakeWord": OpenWakeWord,
    "microWakeWord": MicroWakeWord,
    "wakeforge": Wakeforge,
}
"""The adapters by the name of their engine; see `Rival`."""
LONGEST_REASON = 200

Listening = Callable[[NDArray[np.int16]], object]
"""Takes the next samples of a stream."""


@dataclass(frozen=True)
class Contender:
    """One that listens for words, in any process.

    Parameters
    ----------
    name : name in tables.
    words : words of the benchmark for which it listens.
    """

    name: str
    words: tuple[str, ...]

    def hear(self, scene: Scene) -> Heard:
        """Hear a scene from its start, by its own thresholds and by `THRESHOLDS`."""
        raise NotImplementedError

    @property
    def identity(self) -> list[str]:
        """Texts that identify it: contenders of the same identity have the same results."""
        raise NotImplementedError

    def listening(self) -> Listening:
        """Return what takes samples, to be timed."""
        raise NotImplementedError

    @property
    def n_bytes(self) -> int:
        """Size of the files of its models."""
        raise NotImplementedError

    def apart(self) -> list[Contender]:
        """Return what costs by itself: an engine of others has a model a word."""
        return [self]


@dataclass(frozen=True)
class Other(Contender):
    """An engine of others; its name is a key of `RIVALS`."""

    def _load(self) -> Rival:
        rival: Rival = RIVALS[self.name](self.words)
        return rival

    def hear(self, scene: Scene) -> Heard:
        """Hear a scene from its start, by its own thresholds and by `THRESHOLDS`."""
        return hear_rival(self._load(), scene, THRESHOLDS)

    @property
    def identity(self) -> list[str]:
        """Its name, the versions of its packages, and its words."""
        found = versions(RIVALS[self.name].packages)
        return [self.name, *map(str, found.items()), *self.words]

    def listening(self) -> Listening:
        """Return what takes samples, to be timed."""
        return self._load().push

    @property
    def n_bytes(self) -> int:
        """Size of the files of its models."""
        return sum(Path(file).stat().st_size for file in self._load().files)

    def apart(self) -> list[Contender]:
        """Return a contender for each word."""
        return [replace(self, words=(word,)) for word in self.words]


@dataclass(frozen=True)
class Own(Contender):
    """A recogniser of this package.

    Parameters
    ----------
    path : its file.
    """

    path: str

    def hear(self, scene: Scene) -> Heard:
        """Hear a scene from its start, by its own thresholds and by `THRESHOLDS`."""
        recognizer = Recognizer.load(self.path)
        known = OfWords(scene, self.words)
        return hear(recognizer, known, own_spotting(recognizer), THRESHOLDS)

    @property
    def identity(self) -> list[str]:
        """Its name, the content of its file, and its words."""
        return [self.name, hashlib.sha256(Path(self.path).read_bytes()).hexdigest(), *self.words]

    def listening(self) -> Listening:
        """Return what takes samples, to be timed."""
        return Recognizer.load(self.path).stream(RATE, check=False).push

    @property
    def n_bytes(self) -> int:
        """Size of its file."""
        return Path(self.path).stat().st_size


def named_models(files: Sequence[str | Path], words: Sequence[str]) -> list[Own]:
    """Return recognisers by their files, or the folders of their runs, each with words it knows.

    Raises
    ------
    ModelError
        for a file that is no recogniser.
    ConfigurationError
        for one that cannot stream, that knows none of the words, or that is given twice.
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
                f"model={str(file)!r} knows none of {', '.join(words)}; give --word, one that it "
                f"knows: {', '.join(recognizer.vocabulary.words)}"
            )
        if any(file.samefile(other.path) for other in found):
            raise ConfigurationError(f"model={str(file)!r} is given twice; give it once")
        is_of_run = file.name == RUN_FILE  # every training writes it: its folder tells more
        name = file.resolve().parent.name if is_of_run else file.stem
        if any(name == other.name for other in found):
            name = str(file)
        found.append(Own(name, known, str(file)))
    return found


def rivals(words: Sequence[str]) -> tuple[list[Other], dict[str, str]]:
    """Return the engines of others that can be loaded, and why each of the rest is left out."""
    found, missing = [], {}
    for name, adapter in RIVALS.items():
        known = tuple(word for word in words if word in adapter.known)
        if not known:
            missing[name] = f"it has no model of {', '.join(words)}"
            continue
        try:
            adapter(known)
        except Exception as error:  # whatever another library raises
            if isinstance(error, ImportError) and error.name:
                error = MissingExtraError(error.name, "peers")
            missing[name] = (str(error).splitlines() or [type(error).__name__])[0][:LONGEST_REASON]
        else:
            found.append(Other(name, known))
    return found, missing
