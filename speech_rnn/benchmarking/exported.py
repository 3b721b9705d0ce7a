"""The recogniser that is measured as ONNX files: those that a person names, or made for the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from speech_rnn.benchmarking.settings import OnnxFile, Settings
from speech_rnn.benchmarking.subjects import measured, streamable
from speech_rnn.errors import ModelError
from speech_rnn.recognizer import Recognizer

__all__ = ["loaded", "with_exported"]


def with_exported(settings: Settings, folder: Path) -> Settings:
    """Return settings that name ONNX files of the recogniser, exported into a folder if need be.

    What cannot be exported is named with the reason.
    """
    if settings.onnx:
        return settings
    clips = _export(measured(settings), folder / "clips", streaming=False)
    streams = _export(streamable(settings), folder / "streams", streaming=True)
    return replace(settings, onnx=clips, onnx_streams=streams)


def _export(recognizer: Recognizer, place: Path, *, streaming: bool) -> tuple[OnnxFile, ...]:
    files = []
    for precision in ("float", "int8"):
        name, file = f"ONNX Runtime, {precision}", place.with_suffix(f".{precision}.onnx")
        try:
            from speech_rnn.exporting import export_onnx

            model = export_onnx(recognizer, streaming=streaming, int8=precision == "int8")
            file.write_bytes(model.SerializeToString())
        except Exception as error:  # an extra that is not installed, a model that has no graph
            files.append(OnnxFile(name, str(file), str(error)))
        else:
            files.append(OnnxFile(name, str(file)))
    return tuple(files)


def loaded(file: OnnxFile) -> Recognizer:
    """Return the recogniser of an ONNX file.

    Raises
    ------
    ModelError
        if it could not be exported or cannot be read.
    """
    if file.reason:
        raise ModelError(file.reason)
    return Recognizer.load(file.path)
