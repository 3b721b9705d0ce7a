"""The teacher's states of each window, computed once, and their statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distillation.settings import digest
from distillation.teacher import SIZE, Teacher, bfloat16_where_fast
from distillation.windows import N_STEPS, Part, as_waveforms, mapped

FORMAT = 1
"""Increase it if the same teacher produces different states."""
BATCH = 32
SAMPLED = 12_000
"""Maximum number of windows from which statistics are computed."""


def write_targets(part: Part, teacher: Teacher) -> None:
    """Write the teacher's states of a part, (N, 37, 384) in float16, 25 a second.

    Neighbouring states are averaged. Existing files are kept, so that a killed run continues.
    """
    path, waves = targets_file(part.folder, teacher.sha256), part.waves
    row_bytes = 2 * N_STEPS * SIZE
    n_done = path.stat().st_size // row_bytes // BATCH * BATCH if path.is_file() else 0
    if path.is_file() and path.stat().st_size == len(waves) * row_bytes:
        return
    with path.open("ab") as file:
        file.truncate(n_done * row_bytes)
        for start in range(n_done, len(waves), BATCH):
            states = steps_of(teacher, waves[start : start + BATCH])
            states.half().numpy().tofile(file)


@torch.inference_mode()
def steps_of(teacher: Teacher, waves: NDArray[np.int16]) -> Tensor:
    """Compute the teacher's states of windows (B, 24000), (B, 37, 384)."""
    with bfloat16_where_fast():
        states = teacher(as_waveforms(waves)).float()  # (B, 75, D)
    paired = states[:, : 2 * N_STEPS].unflatten(1, (N_STEPS, 2))
    return paired.mean(dim=2).clamp(-6e4, 6e4)


def read_targets(folder: Path, teacher: str) -> NDArray[np.float16]:
    """Map the file that `write_targets` has written; `teacher` is the SHA-256 of its weights."""
    return mapped(targets_file(folder, teacher), np.float16, (N_STEPS, SIZE))


def targets_file(folder: Path, teacher: str) -> Path:
    """Return the file of a teacher's targets for the windows of a folder."""
    return folder / f"targets-{digest(FORMAT, teacher)}.f16"


@dataclass(frozen=True)
class Scale:
    """How targets are standardised, and which directions of them a student learns.

    Parameters
    ----------
    mean, deviation : statistics of the targets at each step of a window (37, 384), and overall
        (384,).
    directions : (384, D') directions in which words differ most, or None.
    """

    mean: Tensor
    deviation: Tensor
    directions: Tensor | None = None

    @property
    def n_asked(self) -> int:
        """Width of the targets of a student."""
        return SIZE if self.directions is None else self.directions.shape[1]

    def standardised(self, targets: Tensor, first: Tensor) -> Tensor:
        """Standardise targets (B, K, 384) that begin at steps `first` (B,) of their windows."""
        return self._centred(targets, first) / self.deviation

    def asked(self, targets: Tensor, first: Tensor) -> Tensor:
        """Return a student's targets: projected onto the directions, or standardised."""
        if self.directions is None:
            return self.standardised(targets, first)
        return self._centred(targets, first) @ self.directions

    def _centred(self, targets: Tensor, first: Tensor) -> Tensor:
        steps = first[:, None] + torch.arange(targets.shape[1])
        return targets - self.mean[steps.clamp(max=N_STEPS - 1)]


def scale_of(targets: Sequence[NDArray[np.float16]]) -> Scale:
    """Compute statistics from some of the rows of all parts."""
    every = max(1, sum(map(len, targets)) // SAMPLED)
    rows = np.concatenate([part[::every] for part in targets]).astype(np.float32)
    mean = rows.mean(axis=0)
    deviation = (rows - mean).std(axis=(0, 1))
    return Scale(torch.from_numpy(mean), torch.from_numpy(deviation))
