"""The engine that a file asks for. PyTorch is imported for a safetensors file alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from speech_rnn.engines.engine import Engine
from speech_rnn.engines.probe import try_out
from speech_rnn.errors import plain_install


def load_engine(path: str | Path, device: str) -> tuple[Engine, dict[str, Any]]:
    """Read the engine and the description of a Recognizer's file, which has computed its probe.

    Raises
    ------
    ModelError, ConfigurationError, MissingExtraError
        as `Recognizer.load` says.
    """
    engine: Engine
    if Path(path).suffix == ".onnx":
        from speech_rnn.engines.onnx_engine import OnnxEngine

        engine, description = OnnxEngine.load(path, device)
    else:
        with plain_install(
            f"model={str(path)!r} holds weights for PyTorch, and an .onnx file does not"
        ):
            from speech_rnn.engines.torch_engine import TorchEngine
        engine, description = TorchEngine.load(path, device)
    try_out(engine, description, str(path))
    return engine, description
