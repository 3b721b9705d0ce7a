"""Choose the device by name."""

from __future__ import annotations

import torch

from speech_rnn.errors import ConfigurationError


def choose_device(name: str) -> torch.device:
    """Return the device for ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises
    ------
    ConfigurationError
        if the name is another one, or the device is not available.
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


def computes_in_bf16(device: torch.device) -> bool:
    """Return whether a device computes in bf16; on a CPU, whether oneDNN supports it there."""
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)


def check_precision(device: torch.device, precision: str) -> None:
    """Raise if a device does not support a 16-bit precision; Lightning accepts bf16 on every CPU.

    Raises
    ------
    ConfigurationError
        if the device has no bf16: for ``bf16-mixed``, and on a CPU also for ``16-mixed``.
    """
    needs_bf16 = precision == "bf16-mixed" or (precision == "16-mixed" and device.type == "cpu")
    if needs_bf16 and not computes_in_bf16(device):
        raise ConfigurationError(
            f"trainer.precision={precision!r} needs bf16, which this {device.type} does not have "
            "(a CPU needs AVX-512 with bf16, or AMX); set trainer.precision=32-true"
        )
