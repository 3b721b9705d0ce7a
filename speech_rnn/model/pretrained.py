"""Weights of pre-trained fronts, from the packages that contain them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from speech_rnn.errors import ConfigurationError, MissingExtraError, ModelError
from speech_rnn.features.embedding import trained_encoder
from speech_rnn.features.encoder import RecurrentEncoder
from speech_rnn.model.front import Pretrained
from speech_rnn.model.whisper import SIZES
from speech_rnn.model.whisper_weights import whisper


def pretrained(front: str, source: str | Path | None = None) -> Pretrained:
    """Return the weights of a front by its name, as in `speech_rnn.model.AcousticModel`.

    Parameters
    ----------
    front : name of the front.
    source : location of the weights of a Whisper front, see `whisper`, or file of the weights of
        ``embedding``, written by recipes/embedding; None takes those of an installed package.

    Raises
    ------
    MissingExtraError, ModelError
        in the cases of `speech_embedding`, `whisper` and
        `speech_rnn.features.embedding.trained_encoder`.
    ConfigurationError
        if a `source` is given for ``speech_embedding``, whose weights are in a package only.
    """
    if front in SIZES:
        return whisper(source, front)
    if front == "embedding":
        trained = trained_encoder(source)
        sizes = {name: weight.shape for name, weight in RecurrentEncoder().state_dict().items()}
        if {name: weight.shape for name, weight in trained.weights.items()} != sizes:
            raise ModelError(
                f"front_weights={str(source)!r} are of an encoder of other sizes than front="
                f"{front!r} has: {trained.settings}; use it by speech_rnn.features.Embedding"
            )
        return Pretrained(trained.weights, trained.sha256)
    if source is not None:
        raise ConfigurationError(
            f"front_weights={str(source)!r} are read for front=embedding, {', '.join(SIZES)}; "
            f"leave it out for front={front!r}, whose weights lie in a package"
        )
    return speech_embedding()


def speech_embedding() -> Pretrained:
    """Return the weights of `speech_rnn.model.embedding.SpeechEmbedding`.

    They are Google's (Apache 2.0), from a TFLite file in the package pyopen-wakeword.

    Raises
    ------
    MissingExtraError
        if the extra ``pretrained`` is not installed.
    ModelError
        if the file is not that network.
    """
    for package in ("pyopen_wakeword", "tflite"):
        if not find_spec(package):
            raise MissingExtraError(package, "pretrained")
    carrier = find_spec("pyopen_wakeword")
    assert carrier is not None
    assert carrier.submodule_search_locations
    path = Path(carrier.submodule_search_locations[0]) / "models" / "embedding_model.tflite"
    if not path.is_file():
        raise ModelError(f"file={str(path)!r} is missing; reinstall pyopen-wakeword")
    content = path.read_bytes()
    weights = {}
    for number, (kernel, bias) in enumerate(_convolutions(content)):
        weights[f"{number}.weight"] = torch.tensor(kernel.transpose(0, 3, 1, 2))
        weights[f"{number}.bias"] = torch.tensor(bias)
    return Pretrained(weights, hashlib.sha256(content).hexdigest())


def _convolutions(content: bytes) -> Iterator[tuple[Any, Any]]:
    """Yield kernel (outputs, height, width, inputs) and bias of a TFLite file's convolutions."""
    import tflite

    model = tflite.Model.GetRootAsModel(content, 0)
    graph = model.Subgraphs(0)
    for place in range(graph.OperatorsLength()):
        operator = graph.Operators(place)
        code = model.OperatorCodes(operator.OpcodeIndex())
        kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if kind != tflite.BuiltinOperator.CONV_2D:
            continue
        tensors = [graph.Tensors(operator.Inputs(which)) for which in (1, 2)]
        kernel, bias = (
            model.Buffers(tensor.Buffer())
            .DataAsNumpy()
            .view(np.float32)
            .reshape(tensor.ShapeAsNumpy())
            for tensor in tensors
        )
        yield kernel, bias
