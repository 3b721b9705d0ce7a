"""Layers of an acoustic model: masked batch norm, convolutions, recurrences, attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speech_rnn.tensors.lengths import is_inside, zero_beyond
from speech_rnn.tensors.processes import summed

State = Tensor | tuple[Tensor, Tensor]
"""State of a recurrent layer, (1, B, H); an LSTM also has its cells."""


class MaskedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation of maps (B, channels, T, D) over the steps that are not padding.

    In training, the mean and the variance are those of the batches of all processes.
    """

    def forward(self, maps: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Normalise; beyond `lengths` the result is undefined. None: there is no padding."""
        # Implemented here for both modes: on a CPU, torch 2.14's own has wrong gradients in eval
        # mode for maps in channels-last memory order with D = 1.
        statistics = dict(self.named_buffers())
        mean, variance = statistics["running_mean"], statistics["running_var"]
        if self.training:
            if lengths is None:
                lengths = torch.full((len(maps),), maps.shape[2], device=maps.device)
            maps = maps.float()  # mixed precision would lose digits in sums over a batch
            inside = is_inside(maps.shape[2], lengths)[:, None, :, None]  # (B, 1, T, 1)
            count = summed(inside.sum() * maps.shape[3])
            mean = summed(maps.where(inside, 0.0).sum((0, 2, 3))) / count  # (channels,)
            deviation = (maps - mean[:, None, None]).where(inside, 0.0)  # (B, channels, T, D)
            variance = summed(deviation.square().sum((0, 2, 3))) / count  # (channels,)
            self._remember(statistics, mean, variance * count / (count - 1).clamp(min=1))
        scale = self.weight * (variance + self.eps).rsqrt()
        return (maps - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]

    def of_steps(self, steps: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Normalise steps (B, T, D) over their D values, as `forward` does maps."""
        maps = steps.transpose(1, 2)[..., None]  # (B, D, T, 1)
        normalized: Tensor = self(maps, lengths)
        return normalized[..., 0].transpose(1, 2)

    @torch.no_grad()
    def _remember(self, statistics: dict[str, Tensor], mean: Tensor, variance: Tensor) -> None:
        """Update the running statistics as torch does: a moving mean, or a plain one."""
        count = statistics["num_batches_tracked"].add_(1)
        rate = 1 / count if self.momentum is None else self.momentum
        statistics["running_mean"].add_(rate * (mean - statistics["running_mean"]))
        statistics["running_var"].add_(rate * (variance - statistics["running_var"]))


class Convolution(nn.Module):
    """A convolution over time only, ReLU and batch normalisation.

    Step t of the result is centred on step t * stride of the maps, or ends there if causal,
    independently of the batch's width.
    """

    def __init__(
        self, n_inputs: int, channels: int, kernel: int, stride: int, *, causal: bool
    ) -> None:
        super().__init__()
        self.stride = stride
        self.padding = (kernel - 1, 0) if causal else ((kernel - 1) // 2, kernel // 2)
        self.convolution = nn.Conv2d(n_inputs, channels, (kernel, 1), stride=(stride, 1))
        self.normalization = MaskedBatchNorm(channels)

    def forward(self, maps: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, channels, T, D) to (B, channels', ⌈T / stride⌉, D)."""
        maps = F.pad(zero_beyond(maps, lengths), (0, 0, *self.padding))
        lengths = ceil_div(lengths, self.stride)
        return self.convolved(maps, lengths), lengths

    def convolved(self, maps: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map (B, channels, T, D) without padding; `lengths` are the lengths of the result."""
        return self.normalization(self.convolution(maps).relu(), lengths)


class RecurrentLayer(nn.Module):
    """One recurrent layer, in one direction or in both.

    Each direction is a layer of torch without a packed sequence, so that it runs fused and can be
    exported. Padding follows a clip, where states no longer matter.
    """

    def __init__(self, cell: str, n_inputs: int, hidden_size: int, bidirectional: bool) -> None:
        super().__init__()
        self.forwards = make_recurrence(cell, n_inputs, hidden_size)
        self.backwards = make_recurrence(cell, n_inputs, hidden_size) if bidirectional else None

    def forward(self, steps: Tensor, backward: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T, H); `backward` is the order of `reading_backward`.

        States start at zero.
        """
        hidden, _ = self.forwards(steps)  # (B, T, H)
        if self.backwards is None:
            return hidden
        behind, _ = self.backwards(reorder(steps, backward))  # (B, T, H / 2)
        return torch.cat([hidden, reorder(behind, backward)], dim=2)  # (B, T, H)


class Attention(nn.Module):
    """Heads that each weigh the steps by a softmax of dot products: (B, T, H) to (B, n_heads * H).

    The products are not scaled, as in MHAtt-RNN, because states of a GRU or LSTM lie in (-1, 1).
    """

    def __init__(self, size: int, n_heads: int, query: str) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.project = nn.Linear(size, n_heads * size) if query == "middle" else None
        if query == "learned":
            self.learned = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_heads, size)))

    def weights(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Return the weights of the steps, (B, n_heads, T); 0 beyond `lengths`."""
        if self.project is None:
            query = self.learned.expand(hidden.shape[0], -1, -1)  # (B, n_heads, H)
        else:
            middle = step_at(hidden, lengths // 2)  # (B, H)
            query = self.project(middle).view(-1, self.n_heads, hidden.shape[2])  # (B, n_heads, H)
        scores = query @ hidden.transpose(1, 2)  # (B, n_heads, T)
        inside = is_inside(hidden.shape[1], lengths)[:, None]  # (B, 1, T)
        return scores.masked_fill(~inside, -torch.inf).softmax(dim=2)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Pool over time."""
        return (self.weights(hidden, lengths) @ hidden).flatten(1)  # (B, n_heads * H)


def ceil_div(lengths: Tensor, divisor: int) -> Tensor:
    """Return ⌈lengths / divisor⌉."""
    return (lengths + divisor - 1) // divisor


def step_at(hidden: Tensor, index: Tensor) -> Tensor:
    """Return step `index` (B,) of each clip, (B, H)."""
    return hidden[torch.arange(hidden.shape[0], device=hidden.device), index]


def reading_backward(n_steps: int, lengths: Tensor) -> Tensor:
    """Return the index of each step after reversing each clip within its length, (B * T,).

    Padding stays in place, so that the order is its own inverse.
    """
    step = torch.arange(n_steps, device=lengths.device)
    last = lengths[:, None] - 1  # (B, 1)
    order = torch.where(step <= last, last - step, step)  # (B, T)
    clip = torch.arange(lengths.shape[0], device=lengths.device)[:, None]
    return (clip * n_steps + order).flatten()


def reorder(steps: Tensor, order: Tensor) -> Tensor:
    """Rearrange steps (B, T, H) by `order`."""
    return steps.flatten(0, 1).index_select(0, order).view(steps.shape)  # (B, T, H)


def make_recurrence(cell: str, n_inputs: int, hidden_size: int) -> nn.RNNBase:
    """Return one of torch's recurrent layers, in one direction."""
    if cell in ("gru", "lstm"):
        gated = nn.GRU if cell == "gru" else nn.LSTM
        return gated(n_inputs, hidden_size, batch_first=True)
    return nn.RNN(n_inputs, hidden_size, nonlinearity=cell[len("rnn_") :], batch_first=True)


def initialize_recurrence(recurrence: nn.RNNBase) -> None:
    """Initialise recurrent weights orthogonally and input weights by Xavier, gate by gate.

    An LSTM's forget gate starts open (Jozefowicz et al., 2015).
    """
    size = recurrence.hidden_size
    for name, parameter in recurrence.named_parameters():
        for gate, block in enumerate(parameter.split(size)):
            if name.startswith("weight_hh"):
                nn.init.orthogonal_(block)
            elif name.startswith("weight_ih"):
                nn.init.xavier_uniform_(block)
            else:  # torch's order of gates is input, forget, cell, output; its two biases add up
                is_forget = isinstance(recurrence, nn.LSTM) and gate == 1 and "_ih" in name
                nn.init.constant_(block, 1.0 if is_forget else 0.0)
