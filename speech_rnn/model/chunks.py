"""A bidirectional encoder with bounded latency: it reads backwards over chunks with a look-ahead.

Zhang et al., "Highway long short-term memory RNNs for distant speech recognition" (2016): of a
chunk and the steps after it, all layers see no more. Forward states are carried from chunk to
chunk; each backward pass starts at zero where the look-ahead ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from speech_rnn.model.layers import RecurrentLayer, State, reading_backward, reorder

__all__ = ["encode_in_chunks"]


def encode_in_chunks(
    layers: Sequence[RecurrentLayer],
    steps: Tensor,
    lengths: Tensor,
    chunk: int,
    look_ahead: int,
    dropout: Callable[[Tensor], Tensor],
    n_chunks: int,
    states: Sequence[State] | None = None,
) -> tuple[Tensor, list[State]]:
    """Map steps (B, T, D) to hidden states (B, n_chunks * chunk, H) and the layers' states.

    Parameters
    ----------
    layers : in both directions.
    lengths : steps of each clip, (B,); a clip that ends within a window is read backwards from
        its end.
    chunk, look_ahead : steps that a window answers for, and those after them that it also reads.
    dropout : applied between layers.
    n_chunks : how many chunks to answer for; what follows them is looked at only.
    states : of each layer, after the chunk before the first; None starts at zero.
    """
    width = chunk + look_ahead
    steps = F.pad(steps, (0, 0, 0, n_chunks * chunk + look_ahead - steps.shape[1]))
    windows = steps.unfold(1, width, chunk).permute(1, 0, 3, 2)  # (K, B, W, D)
    first = torch.arange(n_chunks, device=lengths.device)[:, None] * chunk
    inside = (lengths - first).clamp(0, width).flatten()  # (K * B,)
    backward = reading_backward(width, inside)
    after: list[State] = []
    for number, layer in enumerate(layers):
        state = states[number] if states else None
        if number:
            windows = dropout(windows)
        is_last = number == len(layers) - 1
        windows, state = _layer(layer, windows, backward, chunk, state, is_last)  # (K, B, W, H)
        after.append(state)
    return windows.permute(1, 0, 2, 3).flatten(1, 2), after  # (B, K * chunk, H)


def _layer(
    layer: RecurrentLayer,
    windows: Tensor,
    backward: Tensor,
    chunk: int,
    state: State | None,
    is_last: bool,
) -> tuple[Tensor, State]:
    """Map windows (K, B, W, D) to (K, B, W, H) and the forward state after the last chunk.

    Of the last layer nobody reads the look-ahead: (K, B, chunk, H).
    """
    own, states = [], []
    for window in windows[:, :, :chunk]:  # one after the other: an LSTM tells its last cells alone
        hidden, state = layer.forwards(window, state)  # (B, chunk, H / 2)
        own.append(hidden)
        states.append(state)
    forward = torch.stack(own)  # (K, B, chunk, H / 2)
    every = windows.flatten(0, 1)  # (K * B, W, D): what needs no state of another goes at once
    if every.shape[1] > chunk and not is_last:
        ahead, _ = layer.forwards(every[:, chunk:], _side_by_side(states))
        ahead = ahead.unflatten(0, windows.shape[:2])  # (K, B, look_ahead, H / 2)
        forward = torch.cat([forward, ahead], dim=2)  # (K, B, W, H / 2)
    assert layer.backwards is not None
    behind, _ = layer.backwards(reorder(every, backward))
    behind = reorder(behind, backward).unflatten(0, windows.shape[:2])  # (K, B, W, H / 2)
    return torch.cat([forward, behind[:, :, : forward.shape[2]]], dim=3), states[-1]


def _side_by_side(states: Sequence[State]) -> State:
    """Join the states (1, B, H) of K chunks to (1, K * B, H); those of an LSTM are two each."""
    hidden = torch.cat([state[0] if isinstance(state, tuple) else state for state in states], 1)
    cells = [state[1] for state in states if isinstance(state, tuple)]
    return (hidden, torch.cat(cells, 1)) if cells else hidden
