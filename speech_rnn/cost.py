"""What an answer costs: multiplications, each with its addition; bytes; and time."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from speech_rnn.machine import n_cores, processor
from speech_rnn.model import AcousticModel
from speech_rnn.recognizer import Recognizer

__all__ = ["Cost", "cost_of", "multiply_adds"]

GATES = {"gru": 3, "lstm": 4}
PASSES, SECONDS = 7, 2
"""What is timed: the median of so many passes over a clip of so many seconds."""


@dataclass(frozen=True)
class Cost:
    """What a Recognizer costs whoever uses it.

    Parameters
    ----------
    n_parameters : weights of the model.
    multiply_adds_per_second : of the model, for a second of sound.
    file_bytes : of its file.
    real_time_factor : seconds that a second of sound takes, from samples to words, on one thread.
    processor, n_cores : of the machine where that was measured.
    """

    n_parameters: int
    multiply_adds_per_second: int
    file_bytes: int
    real_time_factor: float
    processor: str
    n_cores: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def cost_of(path: str | Path) -> Cost:
    """Count and time what the Recognizer in a file costs on this machine's CPU.

    Raises
    ------
    ModelError
        if the file cannot be read.
    """
    path = Path(path)
    recognizer = Recognizer.load(path)
    model = recognizer.model
    return Cost(
        n_parameters=model.n_parameters,
        multiply_adds_per_second=multiply_adds(model, round(1 / recognizer.features.hop_seconds)),
        file_bytes=path.stat().st_size,
        real_time_factor=_real_time_factor(recognizer),
        processor=processor(),
        n_cores=n_cores(),
    )


def _real_time_factor(recognizer: Recognizer) -> float:
    noise = np.random.default_rng(0).standard_normal(SECONDS * recognizer.sample_rate)
    clip = 0.1 * noise.astype(np.float32)
    n_threads = torch.get_num_threads()
    took = []
    try:
        torch.set_num_threads(1)
        for _ in range(1 + PASSES):
            begun = time.perf_counter()
            recognizer.transcribe(clip)
            took.append(time.perf_counter() - begun)
    finally:
        torch.set_num_threads(n_threads)
    return round(statistics.median(took[1:]) / SECONDS, 5)  # the first one warms up


def multiply_adds(model: AcousticModel, n_frames: int) -> int:
    """Return the multiply-adds of a clip of `n_frames`: of matrices and convolutions alone.

    Features, normalisation and the functions of gates are left out, as is usual. A look-ahead is
    read twice, but in the last layer backwards alone.
    """
    given = model.hyperparameters
    steps, channels, total, n_features = n_frames, 1, 0, model.n_features
    if model.front is not None:
        total = model.front.multiply_adds(n_frames)
        steps, n_features = math.ceil(n_frames / model.front.subsampling), model.front.n_outputs
    for spec in given["convolutions"]:
        steps = math.ceil(steps / spec["stride"])
        total += steps * spec["channels"] * channels * spec["kernel"] * n_features
        channels = spec["channels"]
    steps = math.ceil(steps / model.stack)
    width = model.stack * channels * n_features
    directions = 2 if model.bidirectional else 1
    n_read, ahead = steps, 0
    if model.chunk:
        n_chunks = math.ceil(steps / model.chunk)
        n_read, ahead = n_chunks * model.chunk, n_chunks * model.look_ahead
    for number in range(given["n_layers"]):
        per_step = (
            GATES.get(given["cell"], 1) * given["hidden_size"] * (width + given["hidden_size"])
        )
        reads_ahead = 1 if number == given["n_layers"] - 1 else 2
        total += (n_read * directions + ahead * reads_ahead) * per_step
        width = directions * given["hidden_size"]
    if model.attend is not None:
        total += 2 * steps * given["n_heads"] * width  # scores and the weighted sum
        if model.attend.project is not None:
            total += given["n_heads"] * width**2
    answers = steps if model.head == "ctc" else 1
    layers = [layer for layer in (*model.dense, model.output) if isinstance(layer, nn.Linear)]
    return total + answers * sum(layer.in_features * layer.out_features for layer in layers)
