"""The interface of fronts: networks that were trained on speech before the acoustic model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from speech_rnn.errors import ConfigurationError
from speech_rnn.model.layers import MaskedBatchNorm
from speech_rnn.model.stream import Part


class Pretrained(NamedTuple):
    """Weights by their names, and the SHA-256 of the file that they were in."""

    weights: dict[str, Tensor]
    sha256: str


class Front(nn.Module):
    """Frames (B, T, D) to steps (B, S, D') that tell words apart, whoever speaks.

    A subclass gives the steps by `embed`, and has a `normalization`, which always learns.

    Attributes
    ----------
    n_outputs : D'.
    subsampling : frames of a step.
    look_ahead : frames after its own that a step sees, where it can stream.
    most_frames : of the longest clip that it can read; None where that is any.
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
        """Map frames (B, T, D) to embeddings (B, S, D'), not yet normalised, and their lengths."""
        raise NotImplementedError

    def normalized(self, steps: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Normalise embeddings (B, S, D'), in training over the steps that are no padding."""
        return self.normalization.of_steps(steps, lengths)

    @property
    def is_frozen(self) -> bool:
        """Whether a training changes nothing of it but the normalisation."""
        own = (
            weight
            for name, weight in self.named_parameters()
            if not name.startswith("normalization.")
        )
        return not any(weight.requires_grad for weight in own)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of a trained network."""
        raise NotImplementedError

    def reasons_against_streaming(self) -> list[str]:
        """Return what needs the whole clip, and the way out of each."""
        return []

    def stream(self) -> Part:
        """Return a stream of embeddings, not yet normalised, over clips that advance together."""
        raise NotImplementedError


def check_width(front: str, n_features: int, n_bands: int, features: str) -> None:
    """Refuse frames of another width than the front was taught on."""
    if n_features != n_bands:
        raise ConfigurationError(
            f"n_features={n_features} does not fit front={front!r}, which reads {n_bands} bands; "
            f"train with features={features}, or with front=none"
        )


def freeze(parts: Sequence[nn.Module], n_frozen: Any) -> None:
    """Leave the first `n_frozen` parts untrained."""
    if not isinstance(n_frozen, int) or not 0 <= n_frozen <= len(parts):
        raise ConfigurationError(
            f"n_frozen={n_frozen!r} must be a whole number from 0 to {len(parts)}"
        )
    for part in parts[:n_frozen]:
        part.requires_grad_(False)
