"""The seam between a recogniser and what computes its logits: numpy in, numpy out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from speech_rnn.engines.last_layer import LastLayer
from speech_rnn.errors import ModelError

if TYPE_CHECKING:
    import torch

FORMAT_VERSION = 1
"""Of a Recognizer's description, in either kind of file."""


class LogitStream(Protocol):
    """Logits of a waveform that arrives in pieces. What is kept does not grow."""

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next samples, (n,) with any n, and return the logits now known, (t, C)."""

    def flush(self) -> NDArray[np.float32]:
        """End the waveform: return the logits left, (t, C). The next push begins another.

        What is shorter than a window is padded with silence to one.
        """


class Engine(Protocol):
    """Computes the logits of clips and streams.

    Attributes
    ----------
    sample_rate : of the waveforms, in Hz.
    step_length : samples from one step of the logits to the next.
    n_outputs : columns C of the logits.
    head : ``classification`` or ``ctc``.
    """

    sample_rate: int
    step_length: int
    n_outputs: int
    head: str

    @property
    def device(self) -> torch.device | str:
        """Where it computes."""

    def to(self, device: str | torch.device) -> None:
        """Compute there from now on."""

    def logits(
        self, waveform: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return logits (B, T, C) and their lengths (B,) of clips (B, N); T is 1 for classes.

        Padding never changes them. A clip shorter than a window is padded with silence to one.
        """

    def reasons_against_streaming(self) -> list[str]:
        """Return what needs the whole clip, with the way out of each."""

    def stream(self) -> LogitStream:
        """Return a stream whose logits are those of the whole clip, of a classifier at every step.

        Raises
        ------
        ConfigurationError
            if it cannot stream.
        """

    def last_layer(self) -> LastLayer:
        """Return the layer that gives the logits."""

    def with_last_layer(self, layer: LastLayer) -> Engine:
        """Return an engine that differs in that layer alone; this one stays as it is."""

    def describe(self) -> dict[str, Any]:
        """Return its share of a Recognizer's description, as plain values."""

    def serialize(self, description: dict[str, Any]) -> bytes:
        """Return the file that `Recognizer.load` reads, with that description."""


def read_description(path: str | Path, text: str | None) -> dict[str, Any]:
    """Read the JSON that describes a Recognizer, from the metadata of the file at `path`.

    Raises
    ------
    ModelError
        if it is absent, none, or of a newer format.
    """
    try:
        description = json.loads(text or "")
        version = description["version"]
        is_newer = version > FORMAT_VERSION
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        kind = "an ONNX" if Path(path).suffix == ".onnx" else "a safetensors"
        raise ModelError(
            f"model={str(path)!r} is {kind} file but not a Recognizer; give the "
            "recognizer.safetensors that training wrote, or the .onnx file that speech-rnn "
            "export wrote"
        ) from error
    if is_newer:
        raise newer_format(path, "format", version, FORMAT_VERSION)
    return dict(description)


def newer_format(path: str | Path, name: str, version: int, known: int) -> ModelError:
    """Return the error for a file of a newer format than is known here."""
    return ModelError(
        f"model={str(path)!r} has {name} version={version}, newer than {known}, which this "
        "speech_rnn reads; install a newer one"
    )
