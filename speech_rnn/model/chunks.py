"""A bidirectional encoder with bounded latency, whose backward direction runs over chunks.

Zhang et al., "Highway long short-term memory RNNs for distant speech recognition" (2016): all
layers see only a chunk and the steps of its look-ahead. Forward states are carried from chunk to
chunk; each backward pass starts at zero where the look-ahead ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speech_rnn.model.cells import advance, gates_of, zero_state
from speech_rnn.model.layers import RecurrentLayer, State
from speech_rnn.tensors.lengths import is_inside


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
        n_own = n_chunks * self.size
        steps = F.pad(steps, (0, 0, 0, n_own + self.look_ahead - steps.shape[1]))
        inside = self._windows(is_inside(steps.shape[1], lengths)[..., None])  # (B, K, W, 1)
        windows = self._windows(steps)  # (B, K, W, D)
        after: list[State] = []
        for number, layer in enumerate(self.layers):
            assert layer.backwards is not None
            if number == 0:  # windows overlap: compute the gates of each step only once
                gates = self._windows(gates_of(layer.backwards, steps))  # (B, K, W, n * H / 2)
            else:
                windows = self.dropout(windows)
                gates = gates_of(layer.backwards, windows)
            forward, state = self._forward(layer, windows, states[number] if states else None)
            backward = _backward(layer.backwards, gates, inside, forward.shape[2])
            windows = torch.cat([forward, backward], dim=3)  # (B, K, W, H)
            after.append(state)
        return windows.flatten(1, 2), after  # (B, K * size, H)

    def _windows(self, steps: Tensor) -> Tensor:
        """Return the steps of each chunk and its look-ahead: (B, T, D) to (B, K, W, D)."""
        return steps.unfold(1, self.size + self.look_ahead, self.size).transpose(2, 3)

    def _forward(
        self, layer: RecurrentLayer, windows: Tensor, state: State | None
    ) -> tuple[Tensor, State]:
        """Read windows (B, K, W, D) forwards; return (B, K, W, H / 2) and the state to carry.

        The last layer omits the look-ahead: (B, K, size, H / 2).
        """
        own = windows[:, :, : self.size]  # (B, K, size, D)
        if layer is self.layers[-1] or not self.look_ahead:
            hidden, state = layer.forwards(own.flatten(1, 2), state)
            return hidden.unflatten(1, own.shape[1:3]), state
        chunks, states = [], []
        for chunk in own.unbind(1):  # one by one: an LSTM returns its last cells only
            hidden, state = layer.forwards(chunk, state)  # (B, size, H / 2)
            chunks.append(hidden)
            states.append(state)
        ahead, _ = layer.forwards(windows[:, :, self.size :].flatten(0, 1), _side_by_side(states))
        ahead = ahead.unflatten(0, windows.shape[:2])  # (B, K, look_ahead, H / 2)
        return torch.cat([torch.stack(chunks, dim=1), ahead], dim=2), states[-1]


def _backward(recurrence: nn.RNNBase, gates: Tensor, inside: Tensor, n_steps: int) -> Tensor:
    """Read windows backwards; return their first `n_steps` hidden states, (B, K, n_steps, H / 2).

    Parameters
    ----------
    gates : those of `gates_of` for each step of the windows, (B, K, W, n * H / 2).
    inside : whether a step is within its clip, (B, K, W, 1); the state is zero where it is not.
    """
    state = zero_state(recurrence, gates[:, :, 0])
    of_step, outside = gates.unbind(2), (~inside).unbind(2)
    hidden = []
    for step in reversed(range(len(of_step))):
        state = advance(recurrence, of_step[step], state)
        state = tuple(each.masked_fill(outside[step], 0.0) for each in state)
        hidden.append(state[0])
    return torch.stack(hidden[: -n_steps - 1 : -1], dim=2)


def _side_by_side(states: Sequence[State]) -> State:
    """Join the states (1, B, H) of K chunks to (1, B * K, H); an LSTM has two each."""
    hidden = [state[0] if isinstance(state, tuple) else state for state in states]
    cells = [state[1] for state in states if isinstance(state, tuple)]
    joined = [torch.stack(each, dim=2).flatten(1, 2) for each in (hidden, cells) if each]
    return (joined[0], joined[1]) if cells else joined[0]
