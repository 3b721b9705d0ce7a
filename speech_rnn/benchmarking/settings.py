"""What is measured, and how thoroughly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from speech_rnn.errors import ConfigurationError

__all__ = ["SECTIONS", "THREADS", "OnnxFile", "Settings"]

THREADS = {
    "features": 2,
    "clip": 1,
    "model": 1,
    "stream": 1,
    "peers": 1,
    "decoding": 1,
    "growth": 1,
    "start": 1,
    "files": 2,
    "training": 2,
}
"""The threads of each section."""

SECTIONS = tuple(name for name in THREADS if name != "training")
"""What runs unless something else is asked for: training takes many minutes."""


@dataclass(frozen=True)
class OnnxFile:
    """A recogniser as an ONNX file.

    Parameters
    ----------
    name : of its row.
    path : of the file.
    reason : why there is none.
    """

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
    sections : of `THREADS`, in their order.
    model : a Recognizer's file; None takes the default architecture with random weights.
    onnx, onnx_streams : the same recogniser as ONNX files, for clips and for streams; none: they
        are exported.
    audio : a sound file whose first second is heard; None takes noise in syllables.
    data : the recordings of the Free Spoken Digit Dataset, which ``training`` needs.
    n_rounds : turns of each contender.
    n_files : that ``files`` transcribes.
    n_epochs : of ``training``.
    quick : small sizes, to see that everything runs.

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
        unknown = [name for name in self.sections if name not in THREADS]
        if unknown or not self.sections:
            raise ConfigurationError(
                f"sections={list(self.sections)} must be some of {', '.join(THREADS)}"
            )
        for name in ("n_rounds", "n_files", "n_epochs"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name}={getattr(self, name)} must be 1 or more")
        if "training" in self.sections and self.data is None:
            raise ConfigurationError(
                "data=None, but training needs the recordings of the Free Spoken Digit Dataset; "
                "give their folder with --data"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def of_dict(cls, told: Mapping[str, Any]) -> Settings:
        """Return the settings that `to_dict` told of."""
        files = {
            name: tuple(OnnxFile(**file) for file in told[name])
            for name in ("onnx", "onnx_streams")
        }
        return cls(**{**told, **files, "sections": tuple(told["sections"])})
