"""One step of each recurrent cell, from the part of its gates that the input determines.

A recurrence of torch computes this part anew for each reading of a step. Here it is computed once
and read any number of times, in any order. The formulas are those of `torch.nn.RNN`, `GRU` and
`LSTM`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def gates_of(recurrence: nn.RNNBase, steps: Tensor) -> Tensor:
    """Map steps (..., D) to the part of the gates (..., n * H) that depends on them alone."""
    return F.linear(steps, *_weights(recurrence, "ih"))


def zero_state(recurrence: nn.RNNBase, gates: Tensor) -> tuple[Tensor, ...]:
    """Return a state of zeros for gates (..., n * H): one tensor (..., H), or an LSTM's two."""
    zero = gates.new_zeros(*gates.shape[:-1], recurrence.hidden_size)
    return (zero, zero) if isinstance(recurrence, nn.LSTM) else (zero,)


def advance(recurrence: nn.RNNBase, gates: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the state after a step whose `gates_of` are (..., n * H); its first is the output."""
    recurrent = F.linear(state[0], *_weights(recurrence, "hh"))
    if isinstance(recurrence, nn.GRU):
        return (_gru(gates, recurrent, state[0]),)
    if isinstance(recurrence, nn.LSTM):
        return _lstm(gates + recurrent, state[1])
    return ((torch.tanh if recurrence.nonlinearity == "tanh" else torch.relu)(gates + recurrent),)


def _weights(recurrence: nn.RNNBase, of: str) -> tuple[Tensor, Tensor]:
    return getattr(recurrence, f"weight_{of}_l0"), getattr(recurrence, f"bias_{of}_l0")


def _gru(gates: Tensor, recurrent: Tensor, hidden: Tensor) -> Tensor:
    size = 2 * hidden.shape[-1]
    reset, update = (gates[..., :size] + recurrent[..., :size]).sigmoid().chunk(2, dim=-1)
    new = torch.tanh(gates[..., size:] + reset * recurrent[..., size:])
    return torch.lerp(new, hidden, update)


def _lstm(gates: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    enter, keep, new, leave = gates.chunk(4, dim=-1)
    cells = keep.sigmoid() * cells + enter.sigmoid() * new.tanh()
    return leave.sigmoid() * cells.tanh(), cells
