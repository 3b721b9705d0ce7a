"""The recogniser under test, in each of its engines, and the sound that it recognises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from speech_rnn.audio import load_audio
from speech_rnn.benchmarking.settings import OnnxFile, Settings
from speech_rnn.errors import ModelError
from speech_rnn.features import MFCC
from speech_rnn.model import AcousticModel
from speech_rnn.recognizer import Recognizer
from speech_rnn.vocabulary import Vocabulary

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")

# The models gru_attention (the default of trainings) and gru_last_causal of conf/model.
DEFAULT: dict[str, Any] = {
    "cell": "gru",
    "hidden_size": 128,
    "n_layers": 2,
    "pooling": "attention",
    "n_heads": 2,
    "stack": 2,
}
STREAMABLE: dict[str, Any] = {
    "cell": "gru",
    "hidden_size": 192,
    "n_layers": 2,
    "bidirectional": False,
    "causal": True,
    "pooling": "last",
    "stack": 2,
}

SYLLABLES_PER_SECOND = 4
IDLE_LEVEL = 0.003
"""Root mean square of a quiet room as a fraction of full scale: -50 dB."""


def untrained(words: Sequence[str] = WORDS, model: dict[str, Any] = DEFAULT) -> Recognizer:
    """Return a recogniser of `words` with random weights, which are the same each time.

    Inference takes as long as with a trained recogniser.
    """
    torch.manual_seed(0)
    features, vocabulary = MFCC(), Vocabulary.of(words, "classes")
    network = AcousticModel(features.n_features, len(vocabulary), **model)
    return Recognizer.from_modules(features, network, vocabulary)


def measured(settings: Settings) -> Recognizer:
    """Return the recogniser that `settings` select.

    Raises
    ------
    ModelError
        if its file cannot be read.
    """
    return untrained() if settings.model is None else Recognizer.load(settings.model)


def streamable(settings: Settings) -> Recognizer:
    """Return the recogniser that `settings` select if it can stream, otherwise an untrained one."""
    recognizer = measured(settings)
    return recognizer if recognizer.can_stream else untrained(model=STREAMABLE)


def with_exported(settings: Settings, folder: Path) -> Settings:
    """Return settings that name ONNX files; export the recogniser into a folder if there are none.

    A file that cannot be exported is listed with the reason.
    """
    if settings.onnx:
        return settings
    clips = _export(measured(settings), folder / "clips", streaming=False)
    streams = _export(streamable(settings), folder / "streams", streaming=True)
    return replace(settings, onnx=clips, onnx_streams=streams)


def _export(recognizer: Recognizer, place: Path, *, streaming: bool) -> tuple[OnnxFile, ...]:
    files = []
    for precision in ("float", "int8"):
        file, reason = place.with_suffix(f".{precision}.onnx"), ""
        try:
            from speech_rnn.exporting import export_onnx

            model = export_onnx(recognizer, streaming=streaming, int8=precision == "int8")
            file.write_bytes(model.SerializeToString())
        except Exception as error:  # a missing extra, or a model without a graph
            reason = str(error)
        files.append(OnnxFile(f"ONNX Runtime, {precision}", str(file), reason))
    return tuple(files)


def loaded(file: OnnxFile) -> Recognizer:
    """Return the recogniser of an ONNX file.

    Raises
    ------
    ModelError
        if the file could not be exported or cannot be read.
    """
    if file.reason:
        raise ModelError(file.reason)
    return Recognizer.load(file.path)


def engines(
    recognizer: Recognizer, files: Sequence[OnnxFile]
) -> dict[str, Callable[[], Recognizer]]:
    """Return by name the functions that load the recogniser: PyTorch, and each ONNX file."""
    return {"PyTorch": lambda: recognizer} | {file.name: partial(loaded, file) for file in files}


def transcribing(
    engine: Callable[[], Recognizer], clip: NDArray[np.float32]
) -> Callable[[], object]:
    """Load a recogniser, and return a function that recognises a clip (N,) with it."""
    return partial(engine().transcribe, clip)


def one_second(audio: str | None, sample_rate: int) -> NDArray[np.float32]:
    """Return one second of sound (N,): noise, or the start of a file, padded with silence.

    Raises
    ------
    AudioError
        if the file cannot be read.
    """
    if audio is None:
        return clips(1, sample_rate)[0]
    samples = load_audio(audio, sample_rate)[:sample_rate]
    return np.pad(samples, (0, sample_rate - len(samples)))


def clips(n: int, sample_rate: int, seconds: float = 1.0) -> NDArray[np.float32]:
    """Return clips (n, N) of noise with the rhythm of syllables; they are the same each time."""
    n_samples = round(seconds * sample_rate)
    noise = np.random.default_rng(0).standard_normal((n, n_samples))
    time = np.arange(n_samples) / sample_rate
    loudness = np.sin(np.pi * SYLLABLES_PER_SECOND * time) ** 2
    return (0.1 * noise * loudness).astype(np.float32)


def idle(sample_rate: int) -> NDArray[np.float32]:
    """Return one second (N,) of steady noise as in a quiet room; it is the same each time."""
    return (IDLE_LEVEL * np.random.default_rng(0).standard_normal(sample_rate)).astype(np.float32)
