"""The encoder in training, with batch normalisation that is folded into its weights at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distillation.settings import Settings
from speech_rnn.features.encoder import CausalConvolution, RecurrentEncoder, above_silence


class Student(nn.Module):
    """The layers of a `RecurrentEncoder`, with batch normalisation before each ReLU."""

    def __init__(self, encoder: RecurrentEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.norms = nn.ModuleList(nn.BatchNorm2d(each.out_channels) for each in self.convolutions)

    @property
    def pairs(self) -> list[tuple[CausalConvolution, nn.BatchNorm2d]]:
        """Each convolution with its normalisation."""
        norms = [norm for norm in self.norms if isinstance(norm, nn.BatchNorm2d)]
        return list(zip(self.convolutions, norms, strict=True))

    @property
    def convolutions(self) -> list[CausalConvolution]:
        """All convolutions, including the projection."""
        return [*self.encoder.convolutions, self.encoder.projection]

    def forward(self, frames: Tensor) -> Tensor:
        """Map natural log mels (B, T, M), T a multiple of 4, to states (B, T / 4, D).

        The state of a step is the embedding of the step `delay` steps earlier.
        """
        maps = above_silence(frames)[:, None]  # (B, 1, T, M)
        for convolution, norm in self.pairs:
            padded = F.pad(maps, (0, 0, convolution.n_before, 0))
            maps = norm(nn.Conv2d.forward(convolution, padded)).relu()
        hidden = maps[..., 0].transpose(1, 2)  # (B, T / 4, projection)
        states = []
        for layer in self.encoder.recurrence:
            hidden, _ = layer(hidden)
            states.append(hidden)
        return torch.cat(states, dim=2)

    @torch.no_grad()
    def folded(self) -> RecurrentEncoder:
        """Return a plain encoder that computes the same as this one in evaluation mode."""
        plain = RecurrentEncoder(**self.arguments)
        plain.load_state_dict(self.encoder.state_dict())
        copies = [*plain.convolutions, plain.projection]
        for convolution, (_, norm) in zip(copies, self.pairs, strict=True):
            fold(convolution, norm)
        return plain.eval()

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the encoder."""
        encoder = self.encoder
        return {
            "n_mels": encoder.n_mels,
            "channels": [each.out_channels for each in self.convolutions[:-1]],
            "projection": self.convolutions[-1].out_channels,
            "size": encoder.recurrence[0].hidden_size,
            "n_layers": len(encoder.recurrence),
            "delay": encoder.delay,
        }


def fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Fold the normalisation into the weights of a convolution."""
    mean, variance = norm.running_mean, norm.running_var
    if convolution.bias is None or mean is None or variance is None:
        raise ValueError("a convolution without a bias, or a norm without statistics")
    factor = norm.weight / (variance + norm.eps).sqrt()
    convolution.weight.mul_(factor[:, None, None, None])
    convolution.bias.sub_(mean).mul_(factor).add_(norm.bias)


def new_student(settings: Settings) -> Student:
    """Return a student with random weights."""
    return Student(RecurrentEncoder(**settings.encoder))


def read_encoder(checkpoint: Path, settings: Settings) -> RecurrentEncoder:
    """Return a checkpoint's encoder: the mean of the weights before a restart and at the end."""
    state = torch.load(checkpoint, weights_only=True)
    encoders = [_encoder(state[name], settings) for name in ("mean", "before") if state[name]]
    with torch.no_grad():
        for parts in zip(*(encoder.parameters() for encoder in encoders), strict=True):
            parts[0].copy_(torch.stack(parts).mean(dim=0))
    return encoders[0]


def _encoder(weights: dict[str, Tensor], settings: Settings) -> RecurrentEncoder:
    student = new_student(settings)
    student.load_state_dict(weights)
    return student.eval().folded()
