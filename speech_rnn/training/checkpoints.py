"""Read the checkpoints of a training; this needs no Lightning."""

from __future__ import annotations

import os
from typing import Any

import torch

from speech_rnn.errors import ModelError

CHECKPOINTS = "checkpoints"
BEST, LAST = "best.ckpt", "last.ckpt"


def read_checkpoint(path: str | os.PathLike[str], map_location: Any = None) -> dict[str, Any]:
    """Return the contents of a checkpoint: tensors and plain values, no code.

    Raises
    ------
    ModelError
        if the file is damaged.
    """
    try:
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
        return {**checkpoint, "epoch": int(checkpoint["epoch"])}
    except Exception as error:  # a damaged file may raise an error of any kind
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(
            f"checkpoint={os.fspath(path)!r} is damaged ({reason}); delete the folder of "
            "checkpoints to start again"
        ) from error
