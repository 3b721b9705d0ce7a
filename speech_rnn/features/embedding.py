"""Embedding: waveforms to vectors that distinguish words independently of the speaker."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor, nn

from speech_rnn.errors import ModelError
from speech_rnn.features.encoder import EncoderStream, RecurrentEncoder
from speech_rnn.features.log_mel import LogMel
from speech_rnn.features.stream import FeatureStream
from speech_rnn.storage.weights import check_sizes, check_weights
from speech_rnn.tensors.lengths import zero_beyond

WEIGHTS = Path(__file__).with_name("embedding.safetensors")
"""The package's own weights; EMBEDDING.md beside them has their accuracy."""
FRAMES = {"win_length": 400, "n_mels": 40, "fmin": 20.0, "fmax": 7600.0, "amin": 1e-10}
"""Parameters of the log-mel frames that the encoder reads."""
SETTINGS = "encoder"
"""Metadata key of a file of weights for the arguments of `RecurrentEncoder`, as JSON."""


class Trained(NamedTuple):
    """A trained encoder: its arguments, its weights, and the SHA-256 of the file."""

    settings: dict[str, object]
    weights: dict[str, Tensor]
    sha256: str


def trained_encoder(file: str | Path | None = None) -> Trained:
    """Read a trained encoder from a safetensors file, or the package's own.

    Raises
    ------
    ModelError
        if the file cannot be read, or its weights are not those of a `RecurrentEncoder`.
    """
    path = WEIGHTS if file is None else Path(file)
    if file is None and not path.exists():
        raise ModelError(
            f"{path} is missing: this copy of the package has no weights of the embedding; train "
            "some with recipes/embedding, and give Embedding(FILE) or front_weights=FILE"
        )
    try:
        with safe_open(path, framework="pt") as stored:
            settings = json.loads((stored.metadata() or {})[SETTINGS])
            weights = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        check_sizes(settings, len(weights))
        check_weights(lambda: RecurrentEncoder(**settings), weights)
        RecurrentEncoder(**settings).load_state_dict(weights)
    except Exception as error:  # an untrusted file may cause an error of any kind
        raise ModelError(f"{path} holds no weights of the embedding: {error!s:.200}") from error
    return Trained(settings, weights, sha256)


class Embedding(nn.Module):
    """Embeddings of a batch of waveforms: (B, N) samples to (B, S, D), 25 a second.

    A small recurrent network (`RecurrentEncoder`) that was distilled from Whisper's encoder and
    trained on synthetic speech, to recognise words of any speaker. A linear layer on its embeddings
    needs few recordings. Each embedding depends on all sound before its step and 160 ms after it,
    but not on padding or on other clips of the batch. The weights are frozen; to train them
    further, use ``front='embedding'`` of `speech_rnn.model.AcousticModel`.

    Parameters
    ----------
    weights : a file of other weights, written by recipes/embedding; None uses the package's own.

    Raises
    ------
    ModelError
        if the file does not hold such weights.
    """

    sample_rate = 16_000
    """Sample rate of the waveform, in Hz."""

    def __init__(self, weights: str | Path | None = None) -> None:
        super().__init__()
        trained = trained_encoder(weights)
        self.log_mel = LogMel(**FRAMES)  # type: ignore[arg-type]
        self.encoder = RecurrentEncoder(**trained.settings)  # type: ignore[arg-type]
        self.encoder.load_state_dict(trained.weights)
        self.sha256 = trained.sha256
        self.requires_grad_(False).eval()

    @property
    def n_features(self) -> int:
        """Width D of an embedding."""
        return self.encoder.n_outputs

    @property
    def hop_length(self) -> int:
        """Number of samples between two embeddings."""
        return self.log_mel.hop_length * self.encoder.subsampling

    @property
    def hop_seconds(self) -> float:
        """Time between two embeddings, in seconds."""
        return self.hop_length / self.sample_rate

    def n_frames(self, n_samples: int) -> int:
        """Return the number of embeddings of a clip of `n_samples`."""
        return -(-self.log_mel.n_frames(n_samples) // self.encoder.subsampling)

    def forward(self, waveform: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Compute the embeddings of a batch of clips.

        Parameters
        ----------
        waveform : (B, N) floats in [-1, 1], at 16 kHz.
        lengths : number of samples of each clip, (B,); the rest is padding. None means N for all.

        Returns
        -------
        (embeddings, lengths)
            (B, S, D), zero beyond a clip's end, and the number of embeddings of each clip, (B,).

        Raises
        ------
        ConfigurationError
            in the cases of `LogMel`.
        """
        embeddings, steps = self.encoder(*self.log_mel(waveform, lengths))
        return zero_beyond(embeddings, steps), steps

    def stream(self, batch_size: int = 1) -> EmbeddingStream:
        """Return a stream over `batch_size` waveforms whose embeddings equal the batch's.

        Raises
        ------
        ConfigurationError
            if `batch_size` is below 1.
        """
        return EmbeddingStream(self.log_mel.stream(batch_size), self.encoder, batch_size)


class EmbeddingStream:
    """Embeddings of waveforms that arrive in chunks; made by `Embedding.stream`.

    An embedding is available 160 ms and half a window after its own 40 ms. Memory is constant.
    """

    def __init__(self, frames: FeatureStream, encoder: RecurrentEncoder, batch_size: int) -> None:
        self._frames, self._encoder = frames, encoder
        self._none = next(encoder.parameters()).new_zeros(batch_size, 0, encoder.n_outputs)
        self._encoded = EncoderStream(encoder)

    @torch.no_grad()
    def push(self, chunk: Tensor) -> Tensor:
        """Take the next samples, (B, n) with any n, and return the embeddings now known, (B, s, D).

        Raises
        ------
        ConfigurationError
            if the chunk is not (B, n), or its samples are not floats.
        """
        return self._known(self._encoded.push(self._frames.push(chunk), final=False))

    @torch.no_grad()
    def flush(self) -> Tensor:
        """End the waveforms; return the remaining embeddings. The next push begins new ones."""
        left = self._known(self._encoded.push(self._frames.flush(), final=True))
        self._encoded = EncoderStream(self._encoder)
        return left

    def _known(self, embeddings: Tensor | None) -> Tensor:
        return self._none if embeddings is None else embeddings
