"""Pool a clip's embeddings to their mean, standard deviation and the means of four parts."""

from __future__ import annotations

import torch
from torch import Tensor

from distillation.windows import STEP

N_PARTS = 4
N_POOLED = 2 + N_PARTS
"""Number of pooled values per value of an embedding."""


def parts_of(start: Tensor, n_samples: Tensor, n_steps: int) -> Tensor:
    """Return weights that average over a clip and over its four parts, (B, 5, K).

    Parameters
    ----------
    start, n_samples : (B,) position and length of the clip in its window, in samples.
    n_steps : number of steps K of the window.
    """
    first = (start / STEP).floor()
    last = torch.maximum(((start + n_samples) / STEP).ceil(), first + N_PARTS).clamp(max=n_steps)
    first = torch.minimum(first, last - N_PARTS)
    steps = torch.arange(n_steps)[None]
    rows = [(steps >= first[:, None]) & (steps < last[:, None])]
    for part in range(N_PARTS):
        low = (first + (last - first) * part / N_PARTS).floor()
        high = torch.maximum((first + (last - first) * (part + 1) / N_PARTS).floor(), low + 1)
        rows.append((steps >= low[:, None]) & (steps < high[:, None]))
    weights = torch.stack(rows, 1).float()
    return weights / weights.sum(2, keepdim=True)


def pooled(embeddings: Tensor, parts: Tensor) -> Tensor:
    """Pool embeddings (B, K, D) by `parts_of` clips, to (B, 6 D)."""
    means = torch.bmm(parts, embeddings)  # (B, 5, D)
    power = torch.bmm(parts[:, :1], embeddings.square())[:, 0]
    deviation = ((power - means[:, 0].square()).clamp(min=0) + 1e-4).sqrt()
    return torch.cat([means[:, 0], deviation, means[:, 1:].flatten(1)], 1)
