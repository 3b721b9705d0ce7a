"""Check the sizes that a file declares before memory is allocated for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from speech_rnn.errors import ModelError
from speech_rnn.model import AcousticModel
from speech_rnn.storage.weights import MOST, check_weights

MOST_POINTS = 2**16
"""Largest size of a Fourier transform or a window."""
MOST_BANDS = 512
LEAST_RATE = 1000
MOST_STEPS = 2**12
"""Largest number of steps that are stacked, skipped or looked ahead."""
MOST_OF = {
    "n_fft": MOST_POINTS,
    "win_length": MOST_POINTS,
    "n_mels": MOST_BANDS,
    "delta_window": MOST_STEPS,
    "stack": MOST_STEPS,
    "chunk": MOST_STEPS,
    "look_ahead": MOST_STEPS,
    "kernel": MOST_STEPS,
    "stride": MOST_STEPS,
}


def check_claims(
    features: Mapping[str, Any], model: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Raise if the weights do not match the declared settings of features and model.

    Raises
    ------
    ModelError
        if sizes are absurd, weights have other shapes, or values are not numbers.
    """
    convolutions = model.get("convolutions") or ()
    for settings in (features, model, *convolutions):
        for name, value in settings.items():
            if isinstance(value, int) and abs(value) > MOST_OF.get(name, MOST):
                raise ModelError(
                    f"{name}={value:.3g} is above the limit of {MOST_OF.get(name, MOST)}"
                )
    if features.get("sample_rate", LEAST_RATE) < LEAST_RATE:
        raise ModelError(f"sample_rate={features['sample_rate']} is below {LEAST_RATE} Hz")
    hop = features.get("hop_length", MOST_POINTS)
    if hop * 2000 < features.get("sample_rate", 0) or hop * 256 < features.get("n_fft", 0):
        raise ModelError(f"hop_length={hop} is too short for its sample rate or its n_fft")
    if model.get("n_layers", 1) > len(tensors):
        raise ModelError(f"n_layers={model['n_layers']} are more than its {len(tensors)} tensors")
    check_weights(lambda: AcousticModel(**model), tensors, "model.")
