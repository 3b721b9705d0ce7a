"""Export a Recognizer as one ONNX file, waveform to scores: see `engines.onnx_format`."""

from speech_rnn.exporting.embedding import export_embedding, write_embedding
from speech_rnn.exporting.export import export_onnx
from speech_rnn.exporting.wake_head import export_wake_head, write_wake_head
from speech_rnn.exporting.writing import Exported, Fidelity, read_clips, samples_of, write_onnx

__all__ = [
    "Exported",
    "Fidelity",
    "export_embedding",
    "export_onnx",
    "export_wake_head",
    "read_clips",
    "samples_of",
    "write_embedding",
    "write_onnx",
    "write_wake_head",
]
