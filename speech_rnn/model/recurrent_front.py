"""The encoder of `speech_rnn.features.Embedding` as a front that can be trained further."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from speech_rnn.features.encoder import EncoderStream, RecurrentEncoder
from speech_rnn.model.front import Front, check_width, freeze
from speech_rnn.model.layers import MaskedBatchNorm


class RecurrentFront(Front):
    """Log-mel frames (B, T, 40) to embeddings (B, ⌈T / 4⌉, D), batch-normalised.

    Parameters
    ----------
    n_features : width D of the frames, which are those of `conf/features/log_mel_encoder.yaml`.
    n_frozen : number of the first of six parts (three convolutions, a projection, two GRU layers)
        that are not trained.

    Raises
    ------
    ConfigurationError
        if the features are other ones, or there are fewer parts than `n_frozen`.
    """

    subsampling = RecurrentEncoder.subsampling

    def __init__(self, n_features: int, n_frozen: int = 0) -> None:
        super().__init__()
        self.encoder = RecurrentEncoder()
        self.n_outputs, self.look_ahead = self.encoder.n_outputs, self.encoder.look_ahead
        check_width("embedding", n_features, self.encoder.n_mels, "log_mel_encoder")
        freeze(self.encoder.parts, n_frozen)
        self.normalization = MaskedBatchNorm(self.n_outputs)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Load the weights of a trained encoder."""
        self.encoder.load_state_dict(dict(weights))

    def embed(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map natural log-mel frames (B, T, 40) to (B, ⌈T / 4⌉, D) and their lengths (B,)."""
        steps, lengths = self.encoder(frames, lengths)
        return steps, lengths

    def stream(self) -> EncoderStream:
        """Return a stream of embeddings before normalisation, over clips that advance together."""
        return self.encoder.stream()
