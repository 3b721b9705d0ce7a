"""The interface between a recogniser and what computes its logits: numpy in, numpy out."""

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
"""Version of a Recognizer's description, in either kind of file."""


class LogitStream(Protocol):
    """Logits of a waveform that arrives in pieces, in constant memory."""

    @property
    def n_missing(self) -> int:
        """Number of samples without which `push` gives no further logits; 1 if it is not known."""

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next samples, (n,) with any n, and return the logits now known, (t, C)."""

    def flush(self) -> NDArray[np.float32]:
        """End the waveform and return the remaining logits, (t, C). The next push begins another.

        A waveform shorter than a window is padded with silence.
        """


class Engine(Protocol):
    """Computes the logits of clips and streams.

    Attributes
    ----------
    sample_rate : sample rate of the waveforms, in Hz.
    step_length : number of samples between two steps of the logits.
    n_outputs : number of columns C of the logits.
    head : ``classification`` or ``ctc``.
    """

    sample_rate: int
    step_length: int
    n_outputs: int
    head: str

    @property
    def device(self) -> torch.device | str:
        """The device on which it computes."""

    def to(self, device: str | torch.device) -> None:
        """Move it to another device."""

    def logits(
        self, waveform: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return logits (B, T, C) and their lengths (B,) of clips (B, N); T is 1 for classes.

        Padding never changes them. A clip shorter than a window is padded with silence.
        """

    def reasons_against_streaming(self) -> list[str]:
        """Return what requires the whole clip, each with a way out."""

    def stream(self) -> LogitStream:
        """Return a stream with the logits of the whole clip; a classifier has them at every step.

        Raises
        ------
        ConfigurationError
            if it cannot stream.
        """

    def last_layer(self) -> LastLayer:
        """Return the layer that computes the logits."""

    def with_last_layer(self, layer: LastLayer) -> Engine:
        """Return a copy with another last layer; this engine is not modified."""

    def describe(self) -> dict[str, Any]:
        """Return its part of a Recognizer's description, as plain values."""

    def serialize(self, description: dict[str, Any]) -> bytes:
        """Return the content of a file with that description, as `Recognizer.load` reads it."""


def read_description(path: str | Path, text: str | None) -> dict[str, Any]:
    """Parse the JSON that describes a Recognizer, from the metadata of the file at `path`.

    Raises
    ------
    ModelError
        if it is missing, is not a description, or has a newer format.
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
    """Return the error for a file whose format is newer than the supported one."""
    return ModelError(
        f"model={str(path)!r} has {name} version={version}, newer than {known}, which this "
        "speech_rnn reads; install a newer one"
    )
