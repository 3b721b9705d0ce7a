"""A short sound and its logits in a file, with which its computation is checked on loading.

Processors differ: 8-bit products saturate on some of them, and a file that was right where it was
exported may be wrong elsewhere. The probe detects that before the first answer.
"""

from __future__ import annotations

import warnings
from base64 import b64decode, b64encode
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.engines.engine import Engine
from speech_rnn.errors import ModelError, SpeechRnnError, SpeechRnnWarning

KEY = "probe"
"""Key of the probe in a description: ``samples`` (int8, steps of 1/128) and ``logits``, base64."""
SECONDS = 0.25
LOWEST_HZ, HIGHEST = 100.0, 0.45
"""Range of the sweep in Hz; its highest frequency is a fraction of the sample rate."""
TOLERANCES = {"int8": 0.02}
"""Largest difference of a logit, relative to the largest logit; float errors are smaller."""
TOLERANCE = 2e-3


class ModelWarning(SpeechRnnWarning):
    """A problem of a model that silently ruins results."""


def sweep(sample_rate: int) -> NDArray[np.int8]:
    """Return a sine sweep over all frequencies, in steps of 1/128."""
    time = np.arange(round(SECONDS * sample_rate)) / sample_rate
    slope = (HIGHEST * sample_rate - LOWEST_HZ) / SECONDS
    return np.rint(64 * np.sin(2 * np.pi * (LOWEST_HZ + slope / 2 * time) * time)).astype(np.int8)


def probe_of(engine: Engine) -> dict[str, str]:
    """Return the sweep and an engine's logits for it, as plain values for JSON."""
    samples = sweep(engine.sample_rate)
    return {"samples": _packed(samples), "logits": _packed(_logits(engine, samples))}


def try_out(engine: Engine, description: dict[str, Any], name: str) -> None:
    """Compute the probe of a loaded file with its engine, or the sweep if it has no probe.

    A `ModelWarning` is issued if the logits differ from those of the probe.

    Parameters
    ----------
    engine, description : the engine and the description that the file holds.
    name : name of the file in messages.

    Raises
    ------
    ModelError
        if the computation fails, or its result is NaN or infinite.
    """
    probe = description.get(KEY)
    try:
        samples = _unpacked(probe["samples"], np.int8) if probe else sweep(engine.sample_rate)
        logits = _logits(engine, samples)
        expected = _unpacked(probe["logits"], np.float32) if probe else logits
        expected = expected.reshape(logits.shape)
    except SpeechRnnError:
        raise
    except Exception as error:  # a stranger's values may break what any part takes for sure
        raise ModelError(
            f"model={name!r} cannot compute: {_line(error)}; export it again"
        ) from error
    if not np.isfinite(logits).all():
        raise ModelError(
            f"model={name!r} computes NaN or infinite logits: its training diverged, or its file "
            "is damaged; train it again, for instance with a lower learning rate"
        )
    precision = description.get("onnx", {}).get("precision")
    off, most = np.abs(logits - expected).max(), np.abs(expected).max()
    if not off <= TOLERANCES.get(precision, TOLERANCE) * max(1.0, most):
        warnings.warn(
            ModelWarning(
                f"model={name!r} computes something else on this processor than where it was made: "
                f"a logit of its probe is off by {off:.2g}; its answers may be worse than its "
                "figures; export it again, without int8 if that does not help"
            ),
            stacklevel=2,
        )


def _logits(engine: Engine, samples: NDArray[np.int8]) -> NDArray[np.float32]:
    waveform = samples.astype(np.float32) / np.float32(128)
    return engine.logits(waveform[None], np.array([len(waveform)], np.int64))[0]


def _packed(values: NDArray[Any]) -> str:
    return b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes()).decode()


def _unpacked(text: str, dtype: type[np.generic]) -> NDArray[Any]:
    return np.frombuffer(b64decode(text, validate=True), np.dtype(dtype).newbyteorder("<"))


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
