"""The interface of fronts: networks that were pre-trained on speech."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from speech_rnn.errors import ConfigurationError
from speech_rnn.model.layers import MaskedBatchNorm
from speech_rnn.model.stream import Part


class Pretrained(NamedTuple):
    """Weights by name, and the SHA-256 of their file."""

    weights: dict[str, Tensor]
    sha256: str


class Front(nn.Module):
    """Frames (B, T, D) to steps (B, S, D') that distinguish words of any speaker.

    A subclass implements `embed`, and has a `normalization`, which is always trained.

    Attributes
    ----------
    n_outputs : width D' of the steps.
    subsampling : number of frames per step.
    look_ahead : number of later frames that a step depends on, if it can stream.
    most_frames : length of the longest clip that it can process, in frames; None for any length.
    """

    n_outputs: int
    subsampling: int
    look_ahead: int
    most_frames: int | None = None
    normalization: MaskedBatchNorm

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map frames (B, T, D) to batch-normalised embeddings (B, S, D') and their lengths (B,)."""
        steps, lengths = self.embed(frames, lengths)
        return self.normalized(steps, lengths), lengths

    def embed(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map frames (B, T, D) to embeddings (B, S, D') before normalisation, and their lengths."""
        raise NotImplementedError

    def normalized(self, steps: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Normalise embeddings (B, S, D'), in training over the steps that are not padding."""
        return self.normalization.of_steps(steps, lengths)

    @property
    def is_frozen(self) -> bool:
        """Whether only its normalisation is trained."""
        own = (
            weight
            for name, weight in self.named_parameters()
            if not name.startswith("normalization.")
        )
        return not any(weight.requires_grad for weight in own)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Load the weights of a trained network."""
        raise NotImplementedError

    def reasons_against_streaming(self) -> list[str]:
        """Return what requires the whole clip, each with a way out."""
        return []

    def stream(self) -> Part:
        """Return a stream of embeddings before normalisation, over clips that advance together."""
        raise NotImplementedError


def check_width(front: str, n_features: int, n_bands: int, features: str) -> None:
    """Raise if frames have another width than those on which the front was trained."""
    if n_features != n_bands:
        raise ConfigurationError(
            f"n_features={n_features} does not fit front={front!r}, which reads {n_bands} bands; "
            f"train with features={features}, or with front=none"
        )


def freeze(parts: Sequence[nn.Module], n_frozen: Any) -> None:
    """Exclude the first `n_frozen` parts from training."""
    if not isinstance(n_frozen, int) or not 0 <= n_frozen <= len(parts):
        raise ConfigurationError(
            f"n_frozen={n_frozen!r} must be a whole number from 0 to {len(parts)}"
        )
    for part in parts[:n_frozen]:
        part.requires_grad_(False)
