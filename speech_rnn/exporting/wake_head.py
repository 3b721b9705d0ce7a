"""Export a word of a recogniser as an ONNX head of openWakeWord."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper

from speech_rnn.errors import ConfigurationError
from speech_rnn.exporting.encoder import clip_logits
from speech_rnn.exporting.graph import Graph
from speech_rnn.exporting.timing import Timing
from speech_rnn.exporting.wake_word import N_STEPS, check_word, n_smoothed
from speech_rnn.model.embedding import CHANNELS
from speech_rnn.storage import atomic

if TYPE_CHECKING:
    from speech_rnn.recognizer import Recognizer


def export_wake_head(recognizer: Recognizer, word: str) -> onnx.ModelProto:
    """Return a word of a recogniser as a checked graph from ``embeddings`` to ``score``.

    The graph reads a window of `N_STEPS` embeddings. With a classifier, the score is the posterior
    of the word for the window as a clip; with CTC, it is the posterior of the last steps, smoothed
    as in its `Spotting`. The recurrence starts anew in each window.

    Parameters
    ----------
    recognizer : a recogniser in PyTorch with Google's front, whose weights are unchanged.

    Raises
    ------
    ConfigurationError
        if it has another front, trained the front, or normalises the level of clips, and if it
        does not have the word.
    ModelError
        if the recogniser is an ONNX file already.
    """
    token = check_word(recognizer, word)
    graph, model = Graph(), recognizer.model
    embeddings = graph.input("embeddings", "float32", [1, N_STEPS, CHANNELS[-1]])
    timing = Timing(graph, graph.op("Identity", np.array([N_STEPS])))
    logits, _ = clip_logits(graph, model, embeddings, timing, embedded=True)  # (1, T, C)
    posteriors = graph.op("Softmax", logits / recognizer.calibration.temperature, axis=2)
    score = graph.op("Gather", posteriors, token, axis=2)  # (1, T)
    if model.pooling is None:
        score = graph.op("Slice", score, [-n_smoothed(recognizer)], [2**62], [1])
        is_max = recognizer.own_spotting.smoothing == "max"
        score = graph.op("ReduceMax" if is_max else "ReduceMean", score, [1], keepdims=1)
    graph.output("score", graph.op("Reshape", score, [1, 1]), "float32", [1, 1])
    made = graph.model()
    helper.set_model_props(made, {"wake_word": word})
    onnx.checker.check_model(made, full_check=True)
    return made


def write_wake_head(recognizer: Recognizer, word: str, output: str | Path) -> int:
    """Write a word as a head of openWakeWord, all or nothing, and return its size in bytes.

    Parameters
    ----------
    output : ``.onnx`` for openWakeWord itself, ``.tflite`` also for pyopen-wakeword.

    Raises
    ------
    ConfigurationError
        if the ending is another one, and in the cases of `export_wake_head` and `tflite_wake_head`.
    MissingExtraError
        if ``.tflite`` needs the extra ``pretrained``, which is not installed.
    """
    output = Path(output)
    if output.suffix == ".onnx":
        content = export_wake_head(recognizer, word).SerializeToString()
    elif output.suffix == ".tflite":
        from speech_rnn.exporting.wake_head_tflite import tflite_wake_head

        content = tflite_wake_head(recognizer, word)
    else:
        raise ConfigurationError(f"output={str(output)!r} must end in .onnx or .tflite")
    output.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(output, content)
    return len(content)
