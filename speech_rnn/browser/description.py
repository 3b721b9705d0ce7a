"""A recogniser as the page needs it: its ONNX file, and its settings as JSON."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from speech_rnn.engines.onnx_engine import OnnxEngine
from speech_rnn.engines.onnx_format import StreamDescription
from speech_rnn.errors import ConfigurationError
from speech_rnn.recognizer import Recognizer
from speech_rnn.streaming.gate import Gating
from speech_rnn.streaming.stream import reasons_against_streaming


@dataclass(frozen=True)
class ForBrowser:
    """A recogniser for the page.

    Parameters
    ----------
    description : settings that the scripts of the page read, as plain values for JSON.
    content : content of the ONNX file.
    """

    description: dict[str, Any]
    content: bytes


def for_browser(recognizer: Recognizer, name: str) -> ForBrowser:
    """Return a recogniser for the page; one in PyTorch is exported.

    Parameters
    ----------
    recognizer : a recogniser that can stream.
    name : the name that the page shows.

    Raises
    ------
    ConfigurationError
        if it cannot stream; the error gives the reasons and a recipe for one that can.
    MissingExtraError
        if one in PyTorch needs the package onnx, which is not installed.
    """
    if reasons := reasons_against_streaming(recognizer.engine, recognizer.vocabulary):
        raise ConfigurationError("\n".join(reasons))
    stream, content = _streaming(recognizer)
    description = {
        "name": name,
        "tokens": list(recognizer.vocabulary.tokens),
        "sample_rate": recognizer.sample_rate,
        "step_length": recognizer.engine.step_length,
        "temperature": recognizer.calibration.temperature,
        "spotting": recognizer.own_spotting.to_dict(),
        "gating": asdict(Gating()),
        "stream": asdict(stream),
    }
    return ForBrowser(description, content)


def _streaming(recognizer: Recognizer) -> tuple[StreamDescription, bytes]:
    """Return how the graph of a recogniser is run, and the content of its ONNX file."""
    if not isinstance(recognizer.engine, OnnxEngine):
        from speech_rnn.exporting import export_onnx

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "recogniser.onnx"
            path.write_bytes(export_onnx(recognizer, streaming=True).SerializeToString())
            return _read(OnnxEngine.load(path, "cpu")[0])
    return _read(recognizer.engine)


def _read(engine: OnnxEngine) -> tuple[StreamDescription, bytes]:
    assert engine.graph.stream is not None
    return engine.graph.stream, engine.content
