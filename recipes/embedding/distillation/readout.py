"""The last layer of the encoder: what of its states tells words apart.

Fisher's linear discriminants again (see `discriminants`), of the student's own states: a projection
that keeps the directions along which words differ more than clips of one word do.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from distillation.corpus import Corpus
from distillation.discriminants import directions
from distillation.pooling import parts_of
from distillation.windows import HOP, N_FRAMES
from speech_rnn.features.encoder import RecurrentEncoder

AT_ONCE = 256


@torch.no_grad()
def read_out(encoder: RecurrentEncoder, corpus: Corpus) -> RecurrentEncoder:
    """Set the last layer of an encoder, and return it: the mean state becomes 0.

    Learnt from the labelled words of the corpus, each clip from its first frame on. With fewer than
    two words, the layer stays as it is.
    """
    rows = np.flatnonzero(corpus.labels >= 0)
    if len(np.unique(corpus.labels[rows])) < 2:
        return encoder
    clips = torch.cat([state_means(encoder, corpus, some) for some in _pieces(rows)])
    found = directions(clips, corpus.labels[rows], encoder.n_outputs)  # (size, D)
    encoder.output.weight[: found.shape[1]] = found.T
    encoder.output.bias[: found.shape[1]] = -clips.mean((0, 1)) @ found
    return encoder


def state_means(encoder: RecurrentEncoder, corpus: Corpus, rows: NDArray[np.int64]) -> Tensor:
    """Average an encoder's states over the four parts of clips, (n, 4, size)."""
    starts, sizes = (torch.from_numpy(each[rows]) for each in (corpus.starts, corpus.sizes))
    first = starts // HOP
    windows = corpus.mels.cut(rows, np.zeros(len(rows), np.int64), N_FRAMES)
    last = ((starts + sizes) // HOP + 1).clamp(max=N_FRAMES)
    spoken = [w[a:b] for w, a, b in zip(windows, first.tolist(), last.tolist(), strict=True)]
    states, _ = encoder.states(pad_sequence(spoken, batch_first=True), last - first)
    parts = parts_of(torch.zeros(len(rows)), sizes.float(), states.shape[1])[:, 1:]
    return torch.bmm(parts, states)


def _pieces(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return np.array_split(rows, -(-len(rows) // AT_ONCE))
