"""Targets of the loss: the token at each step, and the class probabilities of a mixture."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from speech_rnn.decoding.alignment import BLANK_ID


class Mixture(NamedTuple):
    """The partner of each clip, (B,), and the clip's own share of the mixture, (B,) in [0, 1]."""

    partner: Tensor
    share: Tensor

    def targets(self, classes: Tensor, n_classes: int) -> Tensor:
        """Return the target probabilities (B, C) of mixed clips with these classes (B,)."""
        own = F.one_hot(classes, n_classes).to(self.share)
        return torch.lerp(own[self.partner], own, self.share[:, None])


def step_targets(spans: Tensor, targets: Tensor, lengths: Tensor, step: int) -> Tensor:
    """Return the token that is spoken at each step, (B, T); between words it is the blank.

    Steps that touch the start or end of a word, and steps beyond the lengths, are -100, which
    cross-entropy ignores. If a word is repeated without a gap, the three steps at the border are
    blank, because otherwise CTC would merge the two.

    Parameters
    ----------
    spans : (B, L, 2), samples at which each target starts and ends; -inf without a target.
    targets : (B, L), token ids.
    lengths : number of steps of each clip, (B,).
    step : number of samples between two steps.
    """
    if not targets.shape[1]:  # no clip has a word: use one empty column
        spans = spans.new_full((len(spans), 1, 2), -torch.inf)
        targets = targets.new_zeros(len(targets), 1)
    steps = torch.arange(int(lengths.max()), device=spans.device)
    middle = (steps + 0.5) * step  # (T,)
    start, stop = spans[..., 0, None], spans[..., 1, None]  # (B, L, 1)
    inside = (middle >= start) & (middle < stop)  # (B, L, T)
    at_edge = ((middle - start).abs() < step) | ((middle - stop).abs() < step)
    token = (inside * targets[..., None]).amax(dim=1)  # (B, T)
    unknown = at_edge.any(dim=1) | (inside.sum(dim=1) > 1) | (steps >= lengths[:, None])
    token = token.masked_fill(unknown, -100)
    if targets.shape[1] > 1:
        again = (targets[:, 1:] == targets[:, :-1]) & (targets[:, 1:] > 0)  # (B, L - 1)
        border = (spans[:, :-1, 1] + spans[:, 1:, 0]) / 2  # between a word and the next
        parts = again[..., None] & ((middle - border[..., None]).abs() <= 1.5 * step)
        token = token.masked_fill(parts.any(dim=1), BLANK_ID)
    return token
