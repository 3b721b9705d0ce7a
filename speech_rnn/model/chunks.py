"""A bidirectional encoder with bounded latency, whose backward direction runs over chunks.

Zhang et al., "Highway long short-term memory RNNs for distant speech recognition" (2016): all
layers see only a chunk and the steps of its look-ahead. Forward states are carried from chunk to
chunk; each backward pass starts at zero where the look-ahead ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from speech_rnn.model.layers import RecurrentLayer, State, reading_backward, reorder


@dataclass(frozen=True)
class Chunks:
    """Bidirectional layers whose backward direction runs over chunks.

    Parameters
    ----------
    layers : bidirectional layers.
    size, look_ahead : number of steps of a chunk, and of further steps that it reads.
    dropout : applied between layers.
    """

    layers: Sequence[RecurrentLayer]
    size: int
    look_ahead: int
    dropout: Callable[[Tensor], Tensor]

    def encode(
        self,
        steps: Tensor,
        lengths: Tensor,
        n_chunks: int,
        states: Sequence[State] | None = None,
    ) -> tuple[Tensor, list[State]]:
        """Map steps (B, T, D) to hidden states (B, n_chunks * size, H) and the layers' states.

        Parameters
        ----------
        lengths : number of steps of each clip, (B,); if a clip ends within a window, the backward
            direction starts at its end.
        n_chunks : number of chunks to compute; steps after them are look-ahead only.
        states : state of each layer after the chunk before the first; None starts at zero.
        """
        width = self.size + self.look_ahead
        steps = F.pad(steps, (0, 0, 0, n_chunks * self.size + self.look_ahead - steps.shape[1]))
        windows = steps.unfold(1, width, self.size).permute(1, 0, 3, 2)  # (K, B, W, D)
        first = torch.arange(n_chunks, device=lengths.device)[:, None] * self.size
        inside = (lengths - first).clamp(0, width).flatten()  # (K * B,)
        backward = reading_backward(width, inside)
        after: list[State] = []
        for number, layer in enumerate(self.layers):
            state = states[number] if states else None
            if number:
                windows = self.dropout(windows)
            windows, state = self._layer(layer, windows, backward, state)  # (K, B, W, H)
            after.append(state)
        return windows.permute(1, 0, 2, 3).flatten(1, 2), after  # (B, K * size, H)

    def _layer(
        self, layer: RecurrentLayer, windows: Tensor, backward: Tensor, state: State | None
    ) -> tuple[Tensor, State]:
        """Map windows (K, B, W, D) to (K, B, W, H) and the forward state after the last chunk.

        The last layer omits the look-ahead: (K, B, size, H).
        """
        own, states = [], []
        for window in windows[:, :, : self.size]:  # one by one: an LSTM returns its last cells only
            hidden, state = layer.forwards(window, state)  # (B, size, H / 2)
            own.append(hidden)
            states.append(state)
        forward = torch.stack(own)  # (K, B, size, H / 2)
        every = windows.flatten(0, 1)  # (K * B, W, D): independent of each other, hence one batch
        if self.look_ahead and layer is not self.layers[-1]:
            ahead, _ = layer.forwards(every[:, self.size :], _side_by_side(states))
            ahead = ahead.unflatten(0, windows.shape[:2])  # (K, B, look_ahead, H / 2)
            forward = torch.cat([forward, ahead], dim=2)  # (K, B, W, H / 2)
        assert layer.backwards is not None
        behind, _ = layer.backwards(reorder(every, backward))
        behind = reorder(behind, backward).unflatten(0, windows.shape[:2])  # (K, B, W, H / 2)
        return torch.cat([forward, behind[:, :, : forward.shape[2]]], dim=3), states[-1]


def _side_by_side(states: Sequence[State]) -> State:
    """Join the states (1, B, H) of K chunks to (1, K * B, H); an LSTM has two each."""
    hidden = torch.cat([state[0] if isinstance(state, tuple) else state for state in states], 1)
    cells = [state[1] for state in states if isinstance(state, tuple)]
    return (hidden, torch.cat(cells, 1)) if cells else hidden
