"""The losses of a student: teacher's states, word labels, names and future frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distillation.augmentation import Batch
from distillation.pooling import N_POOLED, parts_of, pooled
from distillation.settings import Settings
from distillation.windows import N_MELS
from speech_rnn.features.encoder import FRAMES, above_silence

SCALE = 20.0
"""Factor from the cosine between a clip and a word to its score."""
OUTSIDE = 0.1
"""Weight of the steps around a clip; steps within the clip have weight 1."""


class Heads(nn.Module):
    """Linear maps from the student's states to the outputs of the losses, used in training only.

    Parameters
    ----------
    size : width of an embedding.
    n_targets : width of the targets from the teacher's states.
    n_words : number of words of the vocabulary.
    settings : settings of the prediction of future frames.
    """

    def __init__(self, size: int, n_targets: int, n_words: int, settings: Settings) -> None:
        super().__init__()
        self.teacher = nn.Linear(size, n_targets)
        self.norm = nn.BatchNorm1d(N_POOLED * size, affine=False)
        self.word = nn.Linear(N_POOLED * size, max(1, n_words), bias=False)
        self.future = nn.Linear(size, settings.future_frames * N_MELS if settings.future else 1)
        self.normalize_words()

    @torch.no_grad()
    def normalize_words(self) -> None:
        """Normalise the vector of each word to length 1 after each step.

        Doing so within the graph would take a third of a step's time.
        """
        self.word.weight.div_(torch.linalg.vector_norm(self.word.weight, dim=1, keepdim=True))


@dataclass(frozen=True)
class Labels:
    """The labels of the clips of a batch.

    Parameters
    ----------
    words : (B,) indices of the vocabulary, -1 if unknown.
    likely, shares : most likely words of clips (B, 16) and their shares, zero if there are none;
        they are ignored for a clip whose word is known.
    """

    words: Tensor
    likely: Tensor
    shares: Tensor


def losses(
    heads: Heads, states: Tensor, lead: int, batch: Batch, labels: Labels, settings: Settings
) -> dict[str, Tensor]:
    """Return each loss under the name of its weight in the settings.

    Parameters
    ----------
    states : (B, S, D) of all frames, including `lead` frames before the clip's first.
    """
    n_steps = batch.targets.shape[1]
    first = lead // FRAMES + settings.delay
    embeddings = states[:, first : first + n_steps]
    parts = parts_of(batch.start, batch.n_samples, n_steps)
    found = {}
    if settings.distill:
        found["distill"] = distillation(heads.teacher(embeddings).float(), batch.targets, parts)
    if settings.future:
        found["future"] = prediction(heads.future(states).float(), batch.frames, settings)
    if settings.word or settings.soft:
        vector = heads.norm(pooled(embeddings.float(), parts))
        vector = F.dropout(vector, settings.dropout, heads.training)
        scores = likeness(vector, heads.word.weight)
        if settings.word and (labels.words >= 0).any():
            found["word"] = F.cross_entropy(
                scores, labels.words, ignore_index=-1, label_smoothing=settings.smoothing
            )
        named = (labels.shares.sum(1) > 0) & (labels.words < 0)
        if settings.soft and named.any():
            found["soft"] = naming(scores[named], labels.likely[named], labels.shares[named])
    return found


def distillation(guess: Tensor, targets: Tensor, parts: Tensor) -> Tensor:
    """Return the mean smooth L1 distance to the targets, (B, K, D).

    Steps within a clip have ten times the weight of those around it.
    """
    error = F.smooth_l1_loss(guess, targets, reduction="none").mean(2)  # (B, K)
    weight = torch.where(parts[:, 0] > 0, 1.0, OUTSIDE)
    return (error * weight).sum() / weight.sum()


def likeness(vectors: Tensor, words: Tensor) -> Tensor:
    """Return the scaled cosines between vectors (B, D) and words of length 1, (V, D): (B, V).

    A softmax of cosines (Wang et al., arXiv:1704.06369) moves the clips of a word together in all
    directions, not only in those that a classifier needs.
    """
    return SCALE * F.linear(F.normalize(vectors, dim=1), words).float()


def prediction(guess: Tensor, frames: Tensor, settings: Settings) -> Tensor:
    """Return the mean distance to the frames that follow the newest frame of each state.

    Autoregressive predictive coding (Chung and Glass, arXiv:1910.12607).
    """
    level = above_silence(frames)  # (B, T, M)
    ahead = level[:, FRAMES:].unfold(1, settings.future_frames, FRAMES)  # (B, S', M, n_ahead)
    goal = ahead.transpose(2, 3).flatten(2)
    return F.l1_loss(guess[:, : goal.shape[1]], goal)


def naming(scores: Tensor, likely: Tensor, shares: Tensor) -> Tensor:
    """Return the cross-entropy between scores (n, V) and the shares of likely words (n, 16)."""
    log_probs = F.log_softmax(scores, 1).gather(1, likely)
    return -(log_probs * shares).sum(1).mean()
