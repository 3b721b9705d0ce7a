"""A Recognizer as one ONNX file, waveform in and scores out; `speech_rnn.onnx_format` says how."""

from speech_rnn.exporting.export import export_onnx

__all__ = ["export_onnx"]
