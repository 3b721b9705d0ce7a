"""Targets of the loss: the token at each step, and the classes of a mixture."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from speech_rnn.decoding.alignment import BLANK_ID


class Mixture(NamedTuple):
    """The clip that each is mixed with, (B,), and its own share of the mixture, (B,) in [0, 1]."""

    partner: Tensor
    share: Tensor

    def targets(self, classes: Tensor, n_classes: int) -> Tensor:
        """Return the probability of each class, (B, C), where clips of `classes` (B,) are mixed."""
        own = F.one_hot(classes, n_classes).to(self.share)
        return torch.lerp(own[self.partner], own, self.share[:, None])


def step_targets(spans: Tensor, targets: Tensor, lengths: Tensor, step: int) -> Tensor:
    """Return the token that is spoken at each step, (B, T), the blank between words.

    A step that touches a word's start or end, and one beyond the lengths, is -100, which a
    cross-entropy leaves out; but where a word is said twice without a gap, the three steps that
    part the two are blank: otherwise they would be one.

    Parameters
    ----------
    spans : (B, L, 2), samples where each target starts and stops; -inf where there is none.
    targets : (B, L), token ids.
    lengths : steps of each clip, (B,).
    step : samples from one step to the next.
    """
    if not targets.shape[1]:  # nobody says a word: a column of none
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
        border = (spans[:, :-1, 1] + spans[:, 1:, 0]) / 2  # between a word and the next one
        parts = again[..., None] & ((middle - border[..., None]).abs() <= 1.5 * step)
        token = token.masked_fill(parts.any(dim=1), BLANK_ID)
    return token
