"""Write checkpoints that are whole whenever a run is killed or its disk fills up."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from speech_rnn.storage import atomic
from speech_rnn.tensors.processes import from_first
from speech_rnn.training.checkpoints import read_checkpoint


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside the one that it replaces, on the same disk, and renames it.

    Lightning's own way goes through the folder of temporary files. Where that is another disk, the
    file is copied onto the last good one, and whatever ends the copy leaves half of it.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | os.PathLike[str],
        storage_options: Any | None = None,
    ) -> None:
        """Write a checkpoint at once; see `storage.atomic.write`."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, content.getbuffer())

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Any = None,
        weights_only: bool | None = True,
    ) -> dict[str, Any]:
        """Read a checkpoint in the first process; see `read_checkpoint`."""
        return from_first(lambda: read_checkpoint(path, map_location))
