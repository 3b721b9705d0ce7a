"""Features and model in PyTorch, as training makes them and a safetensors file stores them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor, nn

from speech_rnn.engines.claims import check_claims
from speech_rnn.engines.device import choose_device
from speech_rnn.engines.engine import read_description
from speech_rnn.engines.last_layer import LastLayer
from speech_rnn.errors import ModelError
from speech_rnn.features import MFCC, LogMel
from speech_rnn.model import AcousticModel
from speech_rnn.tensors.lengths import zero_beyond

FEATURES = {"MFCC": MFCC, "LogMel": LogMel}


class TorchEngine:
    """Computes with modules, on any device.

    Parameters
    ----------
    features : waveform to frames.
    model : frames to logits.

    Raises
    ------
    ModelError
        if they do not fit each other.
    """

    def __init__(self, features: LogMel, model: AcousticModel) -> None:
        if model.n_features != features.n_features:
            raise ModelError(
                f"a model of n_features={model.n_features} does not fit features of "
                f"{features.n_features}; give it the features that it was trained with"
            )
        self.features = features.eval()
        self.model = model.eval()
        self.modules = nn.ModuleDict({"features": self.features, "model": self.model})
        self.sample_rate = features.sample_rate
        self.step_length = features.hop_length * model.subsampling
        self.n_outputs, self.head = model.n_outputs, model.head

    @classmethod
    def load(cls, path: str | Path, device: str) -> tuple[TorchEngine, dict[str, Any]]:
        """Load engine and description from a file of `serialize`. No code of the file is run.

        Raises
        ------
        ModelError
            if the file is missing, truncated, of a newer format or not a Recognizer, or its weights
            do not fit its description.
        ConfigurationError
            if the device is unknown.
        """
        try:
            with safe_open(str(path), framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"model={str(path)!r} cannot be read as a Recognizer: {error}; give the "
                "recognizer.safetensors that training wrote"
            ) from error
        description = read_description(path, metadata.get("speech_rnn"))
        target = choose_device(device)
        try:
            engine = cls._assemble(description, tensors)
        except Exception as error:  # untrusted values may cause an error of any kind
            raise ModelError(
                f"model={str(path)!r}: its weights do not fit its description: {error}"
            ) from error
        engine.to(target)
        return engine, description

    @classmethod
    def _assemble(cls, description: dict[str, Any], tensors: dict[str, Tensor]) -> TorchEngine:
        settings = dict(description["features"])
        check_claims(settings, description["model"], tensors)
        features = FEATURES[settings.pop("class")](**settings)
        engine = cls(features, AcousticModel(**description["model"]))
        engine.modules.load_state_dict(tensors)
        return engine

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return next(self.model.parameters()).device

    def to(self, device: str | torch.device) -> None:
        """Move features and model to another device."""
        self.modules.to(device)

    @torch.inference_mode()
    def logits(
        self, waveform: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return logits (B, T, C) and their lengths (B,) of clips (B, N); see `Engine.logits`."""
        window = self.features.win_length
        clips = F.pad(torch.from_numpy(waveform), (0, max(0, window - waveform.shape[1])))
        n_samples = torch.from_numpy(lengths)
        if (n_samples < window).any():  # samples after such a clip do not belong to it
            clips = zero_beyond(clips, n_samples)
            n_samples = n_samples.clamp(min=window)
        frames, n_frames = self.features(clips.to(self.device), n_samples.to(self.device))
        logits, steps = self.model(frames, n_frames)
        return _to_numpy(logits), steps.cpu().numpy()

    def reasons_against_streaming(self) -> list[str]:
        """Return what requires the whole clip, each with a way out."""
        return self.features.reasons_against_streaming() + self.model.reasons_against_streaming()

    def stream(self) -> TorchLogitStream:
        """Return a stream; see `Engine.stream`."""
        return TorchLogitStream(self.features, self.model)

    def last_layer(self) -> LastLayer:
        """Return the layer that computes the logits."""
        output = self.model.output
        return LastLayer(_to_numpy(output.weight.detach()), _to_numpy(output.bias.detach()))

    def with_last_layer(self, layer: LastLayer) -> TorchEngine:
        """Return a copy with another last layer; see `Engine.with_last_layer`."""
        model = AcousticModel(**self.model.hyperparameters | {"n_outputs": len(layer.bias)})
        weights = self.model.state_dict() | {
            "output.weight": torch.from_numpy(layer.weight),
            "output.bias": torch.from_numpy(layer.bias),
        }
        model.load_state_dict(weights)
        return TorchEngine(self.features, model.to(self.device))

    def describe(self) -> dict[str, Any]:
        """Return the settings of features and model."""
        return {
            "features": {
                "class": type(self.features).__name__,
                **self.features.hyperparameters,
            },
            "model": self.model.hyperparameters,
        }

    def serialize(self, description: dict[str, Any]) -> bytes:
        """Return a safetensors file with the description as metadata."""
        state = self.modules.state_dict()
        tensors = {name: tensor.cpu().contiguous() for name, tensor in state.items()}
        # A single key: several would be written in an order that changes from run to run.
        return serialize(tensors, {"speech_rnn": json.dumps(description)})


class TorchLogitStream:
    """Logits of a waveform that arrives in pieces; see `LogitStream`.

    Parameters
    ----------
    features, model : parts of one recogniser, in evaluation mode; both must be able to stream.

    Raises
    ------
    ConfigurationError
        if one of them cannot.
    """

    def __init__(self, features: LogMel, model: AcousticModel) -> None:
        self._features, self._model = features.stream(), model.stream()
        self._window = features.win_length
        self._device = model.output.weight.device
        self._n_samples = 0

    @property
    def n_missing(self) -> int:
        """Always 1: any sample may complete a step."""
        return 1

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next samples, (n,) with any n, and return the logits now known, (t, C)."""
        self._n_samples += len(samples)
        waveform = torch.from_numpy(np.ascontiguousarray(samples))[None].to(self._device)
        return _to_numpy(self._model.push(self._features.push(waveform))[0])

    def flush(self) -> NDArray[np.float32]:
        """End the waveform; return the remaining logits, (t, C). The next push begins another."""
        missing = max(0, self._window - self._n_samples)
        padded = self.push(np.zeros(missing, np.float32))
        frames = self._features.flush()
        left = [self._model.push(frames)[0], self._model.flush()[0]]
        self._n_samples = 0
        return np.concatenate([padded, *map(_to_numpy, left)])


def _to_numpy(logits: Tensor) -> NDArray[np.float32]:
    return np.asarray(logits.float().cpu().numpy())
