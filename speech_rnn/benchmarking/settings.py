"""Settings of a benchmark, and its sections."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from speech_rnn.errors import ConfigurationError

MEASURED = {
    "features": ("features.of_a_batch", 2),
    "clip": ("features.of_a_clip", 1),
    "model": ("models.of_a_clip", 1),
    "stages": ("stages.of_a_clip", 1),
    "stream": ("models.of_a_stream", 1),
    "peers": ("models.of_peers", 1),
    "decoding": ("decoding.of_utterances", 1),
    "growth": ("growth.of_an_answer", 1),
    "start": ("starting.of_a_process", 1),
    "files": ("starting.of_files", 2),
    "training": ("training.of_digits", 2),
}
"""The function that measures each section, and its number of threads."""

SECTIONS = tuple(name for name in MEASURED if name != "training")
"""The sections that run by default: training takes many minutes."""


@dataclass(frozen=True)
class OnnxFile:
    """A recogniser as an ONNX file: its row's name, its path, and why it could not be exported."""

    name: str
    path: str
    reason: str = ""

    @classmethod
    def at(cls, path: str) -> OnnxFile:
        """Return the file at a path, under its own name."""
        return cls(f"ONNX Runtime, {Path(path).name}", path)


@dataclass(frozen=True)
class Settings:
    """How a benchmark is run.

    Parameters
    ----------
    sections : keys of `MEASURED`, in the order in which they run.
    model : a Recognizer's file; None takes the default architecture with random weights.
    onnx, onnx_streams : the same recogniser as ONNX files, for clips and for streams; without any
        it is exported.
    audio : a sound file whose first second is recognised; None takes noise in syllables.
    data : the recordings of the Free Spoken Digit Dataset, which ``training`` needs.
    n_rounds : turns of each contender.
    n_files : files that ``files`` transcribes.
    n_epochs : epochs of ``training``.
    quick : whether sizes are small, to see that everything runs.

    Raises
    ------
    ConfigurationError
        for an unknown section, numbers below 1, and ``training`` without data.
    """

    sections: tuple[str, ...] = SECTIONS
    model: str | None = None
    onnx: tuple[OnnxFile, ...] = ()
    onnx_streams: tuple[OnnxFile, ...] = ()
    audio: str | None = None
    data: str | None = None
    n_rounds: int = 15
    n_files: int = 10_000
    n_epochs: int = 10
    quick: bool = False

    def __post_init__(self) -> None:
        if not self.sections or not MEASURED.keys() >= {*self.sections}:
            raise ConfigurationError(
                f"sections={list(self.sections)} must be some of {', '.join(MEASURED)}"
            )
        for name in ("n_rounds", "n_files", "n_epochs"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name}={getattr(self, name)} must be 1 or more")
        if "training" in self.sections and self.data is None:
            raise ConfigurationError(
                "data=None, but training needs the recordings of the Free Spoken Digit Dataset; "
                "give their folder with --data"
            )
