"""The recogniser that is measured: a file's, or one with random weights, which cost the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from speech_rnn.benchmarking.settings import Settings
from speech_rnn.benchmarking.timing import Contender
from speech_rnn.features import MFCC
from speech_rnn.model import AcousticModel
from speech_rnn.recognizer import Recognizer
from speech_rnn.vocabulary import Vocabulary

__all__ = [
    "DEFAULT",
    "STREAMABLE",
    "WORDS",
    "compiled",
    "measured",
    "streamable",
    "transcribing",
    "untrained",
]

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")

# model=gru_attention, which trainings take unless told otherwise, and model=gru_last_causal
DEFAULT: dict[str, Any] = {
    "cell": "gru",
    "hidden_size": 128,
    "n_layers": 2,
    "pooling": "attention",
    "n_heads": 2,
    "stack": 2,
}
STREAMABLE: dict[str, Any] = {
    "cell": "gru",
    "hidden_size": 192,
    "n_layers": 2,
    "bidirectional": False,
    "causal": True,
    "pooling": "last",
    "stack": 2,
}


def untrained(words: Sequence[str] = WORDS, model: dict[str, Any] = DEFAULT) -> Recognizer:
    """Return a recogniser of `words` whose weights are random, the same each time."""
    torch.manual_seed(0)
    features, vocabulary = MFCC(), Vocabulary.of(words, "classes")
    return Recognizer.from_modules(
        features, AcousticModel(features.n_features, len(vocabulary), **model), vocabulary
    )


def measured(settings: Settings) -> Recognizer:
    """Return the recogniser that `settings` name.

    Raises
    ------
    ModelError
        if its file cannot be read.
    """
    return untrained() if settings.model is None else Recognizer.load(settings.model)


def streamable(settings: Settings) -> Recognizer:
    """Return the recogniser that `settings` name if it can stream, else one that can."""
    recognizer = measured(settings)
    return recognizer if recognizer.can_stream else untrained(model=STREAMABLE)


def transcribing(recognizer: Recognizer, clip: NDArray[np.float32]) -> Contender:
    """Return what answers for a clip, (N,), from its samples to its words."""
    return lambda: recognizer.transcribe(clip)


def compiled(recognizer: Recognizer) -> Recognizer:
    """Return a recogniser whose model goes through ``torch.compile``."""
    model: Any = torch.compile(recognizer.model)
    return Recognizer.from_modules(
        recognizer.features, model, recognizer.vocabulary, calibration=recognizer.calibration
    )
