"""speech_rnn: speech commands recognised by recurrent networks.

A waveform walks one way: audio, features, model, decoding, hypothesis. Letters in shape comments:
B clips of a batch, N samples, T steps in time, D features of a frame, H hidden units, C outputs.

The public names are imported when they are first used, so that ``from speech_rnn import
load_audio`` needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speech_rnn.audio import load_audio as load_audio
    from speech_rnn.decoding.hypothesis import Hypothesis as Hypothesis
    from speech_rnn.decoding.hypothesis import Word as Word
    from speech_rnn.errors import SpeechRnnError as SpeechRnnError
    from speech_rnn.features import MFCC as MFCC
    from speech_rnn.features import LogMel as LogMel
    from speech_rnn.recognizer import Recognizer as Recognizer

__version__ = "0.1.0"

_ROOMS = {
    "Hypothesis": "decoding.hypothesis",
    "LogMel": "features",
    "MFCC": "features",
    "Recognizer": "recognizer",
    "SpeechRnnError": "errors",
    "Word": "decoding.hypothesis",
    "load_audio": "audio",
}

__all__ = ["MFCC", "Hypothesis", "LogMel", "Recognizer", "SpeechRnnError", "Word", "load_audio"]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'speech_rnn' has no attribute {name!r}")
    return getattr(import_module(f"speech_rnn.{_ROOMS[name]}"), name)
