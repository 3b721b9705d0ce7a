"""Directions of the teacher's states that distinguish words independently of the speaker.

Fisher's linear discriminants maximise the variance between words relative to the variance between
clips of one word, where each clip has four parts. A student that learns only these directions need
not learn what distinguishes speakers and rooms.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from torch import Tensor

from distillation.corpus import Corpus
from distillation.pooling import parts_of
from distillation.teacher import SIZE
from distillation.windows import N_STEPS

Matrix = NDArray[np.float64]
SHRINKAGE = 1e-3
"""Share of the mean variance within words that is added for regularisation."""
AT_ONCE = 1024


def discriminants(corpus: Corpus, count: int) -> Tensor | None:
    """Return the first directions, (384, count), scaled to unit variance within words.

    None if the corpus has fewer than two labelled words, or `count` is 0.
    """
    rows = np.flatnonzero(corpus.labels >= 0)
    labels, sizes = np.unique(corpus.labels[rows], return_inverse=True, return_counts=True)[1:]
    if not count or len(sizes) < 2:
        return None
    clips = part_means(corpus, rows)
    within, between = scatter(clips, torch.from_numpy(labels), torch.from_numpy(sizes))
    ridge = SHRINKAGE * np.trace(within) / SIZE * np.eye(SIZE)
    _, directions = eigh(between, within + ridge)
    return torch.from_numpy(directions[:, ::-1][:, :count].astype(np.float32).copy())


def part_means(corpus: Corpus, rows: NDArray[np.int64]) -> Tensor:
    """Average the teacher's states over the four parts of each clip, (n, 4, 384)."""
    starts, sizes = torch.from_numpy(corpus.starts), torch.from_numpy(corpus.sizes)
    means = []
    for some in torch.from_numpy(rows).split(AT_ONCE):
        none = torch.zeros(len(some), dtype=torch.int64)
        states = corpus.targets.cut(some.numpy(), none.numpy(), N_STEPS)
        states = corpus.scale.standardised(states, none) * corpus.scale.deviation
        parts = parts_of(starts[some], sizes[some], N_STEPS)[:, 1:]
        means.append(torch.bmm(parts, states))
    return torch.cat(means)


def scatter(clips: Tensor, labels: Tensor, sizes: Tensor) -> tuple[Matrix, Matrix]:
    """Return covariances within words and between words, (384, 384) each.

    Parameters
    ----------
    clips : (n, 4, 384).
    labels : (n,) word of each clip, 0 to V - 1.
    sizes : (V,) number of clips of each word. Between words, each counts once.
    """
    sums = torch.zeros(len(sizes), *clips.shape[1:]).index_add(0, labels, clips)
    means = sums / sizes[:, None, None]
    within = (clips - means[labels]).flatten(0, 1).double()
    between = (means - clips.mean(0)).flatten(0, 1).double()
    return covariance(within), covariance(between)


def covariance(vectors: Tensor) -> Matrix:
    """Return the covariance of vectors (n, D) of mean 0, (D, D)."""
    return (vectors.T @ vectors / len(vectors)).numpy()
