"""Batches of a training: short clips are read in short windows, which saves computation."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from distillation.augmentation import Batch
from distillation.corpus import Corpus
from distillation.windows import N_FRAMES, N_STEPS, STEP
from speech_rnn.features.encoder import FRAMES

SHORT = 14_000
"""Longest clip in samples that fits into a short window."""
SHORT_STEPS = 26


def epoch_batches(
    sizes: NDArray[np.int64], batch: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Split all rows into batches of similar size, in a new order each time.

    Parameters
    ----------
    sizes : (N,) number of samples of each clip.
    batch : number of rows per batch.
    """
    found = []
    for rows in (np.flatnonzero(sizes <= SHORT), np.flatnonzero(sizes > SHORT)):
        if len(rows):
            n_batches = max(1, round(len(rows) / batch))
            found += [np.sort(each) for each in np.array_split(rng.permutation(rows), n_batches)]
    return [found[index] for index in rng.permutation(len(found))]


def read_batch(
    corpus: Corpus,
    starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    rows: NDArray[np.int64],
    rng: np.random.Generator,
    is_warm: bool,
) -> Batch:
    """Read clips and their targets; if all clips are short, only the part of the window with them.

    Parameters
    ----------
    rows : rows of the corpus, whose clips start at `starts` and have `sizes` samples.
    is_warm : whether other sound precedes; otherwise clips begin at most a step after the start.
    """
    start, size = starts[rows], sizes[rows]
    is_short = size.max() <= SHORT
    n_steps = SHORT_STEPS if is_short else N_STEPS
    n_frames = FRAMES * n_steps + FRAMES - 1 if is_short else N_FRAMES
    first = np.zeros(len(rows), np.int64)
    if not is_warm:
        first = np.maximum(0, start - STEP * rng.random()).astype(np.int64) // STEP
    elif is_short:
        low = np.maximum(0, -(-(start + size) // STEP) - n_steps + 1)
        high = np.maximum(low, np.minimum(N_STEPS - n_steps, start // STEP))
        first = (low + rng.random(len(rows)) * (high - low)).astype(np.int64)
        first = first.clip(0, N_STEPS - n_steps)
    targets = corpus.targets.cut(rows, first, n_steps)
    return Batch(
        corpus.mels.cut(rows, FRAMES * first, n_frames),
        corpus.scale.asked(targets, torch.from_numpy(first)),
        torch.from_numpy(start - STEP * first).float(),
        torch.from_numpy(size).float(),
    )
