"""Load the engine of a file. PyTorch is imported for safetensors files only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from speech_rnn.engines.engine import Engine
from speech_rnn.engines.probe import try_out
from speech_rnn.errors import ModelError, plain_install

RUN_FILE = "recognizer.safetensors"
"""The recogniser's file in the folder of a run."""


def load_engine(path: str | Path, device: str) -> tuple[Engine, dict[str, Any]]:
    """Load engine and description from a Recognizer's file, and compute its probe.

    The folder of a run stands for the file that its training wrote.

    Raises
    ------
    ModelError, ConfigurationError, MissingExtraError
        in the cases of `Recognizer.load`.
    """
    engine: Engine
    path = file_of(path)
    if path.suffix == ".onnx":
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


def file_of(path: str | Path) -> Path:
    """Return the file of a recogniser; the folder of a run stands for the one in it.

    Raises
    ------
    ModelError
        if a folder has none.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    if not (path / RUN_FILE).is_file():
        raise ModelError(
            f"model={str(path)!r} is a folder without {RUN_FILE}; give the folder of a run, or a "
            "file that training or export wrote"
        )
    return path / RUN_FILE


def name_of(path: Path) -> str:
    """Return a recogniser's name: its file without the ending, or the folder of its run."""
    return path.parent.name if path.name == RUN_FILE else path.stem
