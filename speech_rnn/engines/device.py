"""The device that a person names."""

from __future__ import annotations

import torch

from speech_rnn.errors import ConfigurationError


def choose_device(name: str) -> torch.device:
    """Return the device that ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps`` means here.

    Raises
    ------
    ConfigurationError
        for any other name, and for a device that is not there.
    """
    kind, _, index = name.partition(":")
    n_devices = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }
    if kind == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if n_devices[kind]))
    if kind not in n_devices or (index and not index.isdecimal()):
        raise ConfigurationError(f"device={name!r} must be auto, cpu, cuda, cuda:N or mps")
    if int(index or 0) >= n_devices[kind]:
        raise ConfigurationError(f"device={name!r} is not available here; use device=auto")
    return torch.device(kind, int(index or 0)) if kind == "cuda" else torch.device(kind)
