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
"""The function and the number of threads of each section."""

SECTIONS = tuple(name for name in MEASURED if name != "training")
"""The sections that run by default; training is not among them because it takes many minutes."""


@dataclass(frozen=True)
class OnnxFile:
    """A recogniser as an ONNX file: name of its row, path, and reason if the export failed."""

    name: str
    path: str
    reason: str = ""

    @classmethod
    def at(cls, path: str) -> OnnxFile:
        """Return the file at a path, named after the file."""
        return cls(f"ONNX Runtime, {Path(path).name}", path)


@dataclass(frozen=True)
class Settings:
    """Settings of a benchmark run.

    Parameters
    ----------
    sections : keys of `MEASURED`, in the order in which they run.
    model : file of a Recognizer; None uses the default architecture with random weights.
    onnx, onnx_streams : the same recogniser as ONNX files, for clips and for streams; if they are
        empty, it is exported.
    audio : sound file whose first second is recognised; None uses noise with the rhythm of speech.
    data : folder of the recordings of the Free Spoken Digit Dataset, for ``training``.
    n_rounds : turns of each contender.
    n_files : number of files that ``files`` transcribes.
    n_epochs : number of epochs of ``training``.
    quick : whether to use small sizes, to check that everything runs.

    Raises
    ------
    ConfigurationError
        if a section is unknown, a number is below 1, or ``training`` has no data.
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
                f"sections={list(self.sections)} must be chosen from {', '.join(MEASURED)}"
            )
        for name in ("n_rounds", "n_files", "n_epochs"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name}={getattr(self, name)} must be 1 or more")
        if "training" in self.sections and self.data is None:
            raise ConfigurationError(
                "data=None, but training needs the recordings of the Free Spoken Digit Dataset; "
                "give their folder with --data"
            )
