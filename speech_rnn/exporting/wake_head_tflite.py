"""A head of openWakeWord as a TFLite file, with an unrolled recurrence.

The TFLite runtimes of these programs have no GRU operator, and a head has few steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import nn

from speech_rnn.errors import ConfigurationError
from speech_rnn.exporting.layers import as_array
from speech_rnn.exporting.tflite_graph import Tensor, TfliteGraph
from speech_rnn.exporting.wake_word import N_STEPS, check_word, n_smoothed
from speech_rnn.model import AcousticModel
from speech_rnn.model.embedding import CHANNELS

if TYPE_CHECKING:
    from speech_rnn.recognizer import Recognizer

Array = NDArray[np.float32]


def tflite_wake_head(recognizer: Recognizer, word: str) -> bytes:
    """Return a word of a recogniser as the content of a file; see `export_wake_head`.

    Raises
    ------
    ConfigurationError
        in the cases of `export_wake_head`, and if the model has another cell than a GRU,
        convolutions, stacked steps, chunks or a query that is not learned.
    """
    token = check_word(recognizer, word)
    model, graph = recognizer.model, TfliteGraph()
    _check(model)
    given = graph.input("embeddings", [1, N_STEPS, CHANNELS[-1]])
    steps = _normalized(graph, model, graph.reshape(given, given.shape[1:]))  # (N, D)
    for layer in model.recurrence:
        both = [_read(graph, layer.forwards, steps)]
        if layer.backwards is not None:
            both.append(_read(graph, layer.backwards, steps, reverse=True))
        steps = graph.concat(both, axis=1)  # (N, H)
    values = _pooled(graph, model, steps)  # (1, H'), or (N, H) for CTC
    for dense in model.dense:
        if isinstance(dense, nn.Linear):
            values = graph.dense(values, as_array(dense.weight), as_array(dense.bias), relu=True)
    cold = 1 / recognizer.calibration.temperature
    output = as_array(model.output.weight) * np.float32(cold), as_array(model.output.bias * cold)
    posteriors = graph.softmax(graph.dense(values, *output))  # (N, C)
    if model.pooling is None:
        n_smooth = min(N_STEPS, n_smoothed(recognizer))
        last = graph.slice(posteriors, [N_STEPS - n_smooth, token], [n_smooth, 1])
        is_max = recognizer.own_spotting.smoothing == "max"
        score = graph.reduce(last, "REDUCE_MAX" if is_max else "MEAN")
    else:
        score = graph.slice(posteriors, [0, token], [1, 1])
    return graph.content(given, score)


def _check(model: AcousticModel) -> None:
    given = model.hyperparameters
    names = ("cell", "convolutions", "stack", "chunk", "query")
    fits = {
        "cell": given["cell"] == "gru",
        "convolutions": not given["convolutions"],
        "stack": given["stack"] == 1,
        "chunk": given["chunk"] is None,
        "query": model.attend is None or model.attend.project is None,
    }
    if wrong := [f"{name}={given[name]!r}" for name in names if not fits[name]]:
        raise ConfigurationError(
            f"{', '.join(wrong)}: a .tflite head can have GRU layers only; give --output FILE.onnx"
        )


def _normalized(graph: TfliteGraph, model: AcousticModel, steps: Tensor) -> Tensor:
    assert model.front is not None
    norm = model.front.normalization
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    shift = norm.bias - norm.running_mean * scale
    scaled = graph.mul(steps, graph.constant(as_array(scale)))
    return graph.add(scaled, graph.constant(as_array(shift)))


def _read(graph: TfliteGraph, layer: nn.RNNBase, steps: Tensor, reverse: bool = False) -> Tensor:
    """Map (N, D) to the hidden states (N, H) of a GRU (Cho et al., 2014, with torch's biases)."""
    n_steps, size = steps.shape[0], layer.hidden_size
    named = {name: as_array(weight) for name, weight in layer.named_parameters()}
    given = graph.dense(steps, named["weight_ih_l0"], named["bias_ih_l0"])  # (N, 3 * H)
    hidden = graph.constant(np.zeros((1, size), np.float32))
    states: dict[int, Tensor] = {}
    for step in reversed(range(n_steps)) if reverse else range(n_steps):
        carried = graph.dense(hidden, named["weight_hh_l0"], named["bias_hh_l0"])
        reset, update = (
            graph.sigmoid(
                graph.add(
                    graph.slice(given, [step, gate * size], [1, size]),
                    graph.slice(carried, [0, gate * size], [1, size]),
                )
            )
            for gate in (0, 1)
        )
        kept = graph.mul(reset, graph.slice(carried, [0, 2 * size], [1, size]))
        fresh = graph.tanh(graph.add(graph.slice(given, [step, 2 * size], [1, size]), kept))
        hidden = graph.add(fresh, graph.mul(update, graph.sub(hidden, fresh)))
        states[step] = hidden
    return graph.concat([states[step] for step in range(n_steps)], axis=0)


def _pooled(graph: TfliteGraph, model: AcousticModel, hidden: Tensor) -> Tensor:
    """Map (N, H) to (1, H), or to (1, n_heads * H); without pooling return it unchanged."""
    n_steps, size = hidden.shape
    if model.pooling is None:
        return hidden
    if model.attend is not None:
        query = as_array(model.attend.learned)  # (n_heads, H)
        scores = graph.dense(hidden, query, np.zeros(len(query), np.float32))  # (N, n_heads)
        weights = graph.softmax(graph.transpose(scores))  # (n_heads, N)
        return graph.reshape(graph.matmul(weights, hidden), [1, len(query) * size])
    if model.pooling == "mean":
        return graph.reduce(hidden, "MEAN")
    if not model.bidirectional:
        return graph.slice(hidden, [n_steps - 1, 0], [1, size])
    half = size // 2  # the backward direction ends at the first step
    ends = [
        graph.slice(hidden, [n_steps - 1, 0], [1, half]),
        graph.slice(hidden, [0, half], [1, half]),
    ]
    return graph.concat(ends, axis=1)
