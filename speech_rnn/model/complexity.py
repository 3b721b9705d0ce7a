"""How many multiplications, each with its addition, a model needs."""

from __future__ import annotations

import math

from torch import nn

from speech_rnn.model.acoustic import AcousticModel

__all__ = ["multiply_adds"]

GATES = {"gru": 3, "lstm": 4}


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
