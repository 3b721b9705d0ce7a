"""Export a Recognizer as an ONNX model: a graph over whole clips, or over a stream.

The graphs are written directly from the parameters. torch 2.14's own exporter was tried: it cannot
export a GRU with a variable number of steps, and its features take 3.6 ms for a one-second clip.
Here the features and the whole network take 1.4 ms (one thread, `MFCC` of
conf/features/mfcc_narrow.yaml).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.engines.onnx_engine import OnnxEngine
from speech_rnn.engines.onnx_format import (
    LOGITS,
    GraphDescription,
    StreamDescription,
)
from speech_rnn.engines.probe import KEY as PROBE
from speech_rnn.engines.probe import probe_of
from speech_rnn.errors import ConfigurationError, MissingExtraError
from speech_rnn.exporting.encoder import clip_logits, model_stages, stream_logits
from speech_rnn.exporting.graph import OPSET, Graph, describe
from speech_rnn.exporting.int8 import needs_ranges, to_int8
from speech_rnn.exporting.waveform import clips_graph, stream_graph
from speech_rnn.streaming.stream import reasons_against_streaming

try:
    import onnx
except ImportError as error:
    raise MissingExtraError("onnx", "export") from error

if TYPE_CHECKING:
    from speech_rnn.recognizer import Recognizer


def export_onnx(
    recognizer: Recognizer,
    *,
    streaming: bool = False,
    int8: bool = False,
    clips: Iterable[NDArray[np.float32]] = (),
) -> onnx.ModelProto:
    """Return a recogniser as a checked ONNX model; `engines.onnx_format` describes its inputs.

    Parameters
    ----------
    recognizer : recogniser with features and model in PyTorch.
    streaming : whether the graph processes a stream, or batches of whole clips.
    int8 : whether to store weights in 8 bits, see `int8.to_int8`.
    clips : clips (n,) from which int8 determines the ranges of values in convolutions.

    Raises
    ------
    ConfigurationError
        if it cannot be exported in this way; the error gives the reason and an alternative.
    ModelError
        if the recogniser is an ONNX file already.
    """
    graph = Graph()
    stream = _stream(graph, recognizer) if streaming else None
    if not streaming:
        _clips(graph, recognizer)
    model = graph.model()
    described = GraphDescription(
        kind="streaming" if streaming else "offline",
        precision="float",
        opset=OPSET,
        sample_rate=recognizer.sample_rate,
        step_seconds=recognizer.step_seconds,
        win_length=recognizer.features.win_length,
        stream=stream,
        most_samples=_most_samples(recognizer),
    )
    _describe(model, recognizer, described)
    if int8:
        runs: list[dict[str, NDArray[Any]]] = []
        if needs_ranges(model):
            with _loaded(model) as engine:
                runs = [engine.inputs(clip) for clip in clips]
        model = to_int8(model, runs)
        described = replace(described, precision="int8")
        _describe(model, recognizer, described)
    with _loaded(model) as engine:
        _describe(model, recognizer, described, probe_of(engine))
    onnx.checker.check_model(model, full_check=True)
    return model


def _most_samples(recognizer: Recognizer) -> int | None:
    """Return the length of the longest clip that the front can process, in samples."""
    front, features = recognizer.model.front, recognizer.features
    if front is None or front.most_frames is None:
        return None
    return front.most_frames * features.hop_length + features.layout.reach - 1


def _describe(
    model: onnx.ModelProto,
    recognizer: Recognizer,
    described: GraphDescription,
    probe: dict[str, str] | None = None,
) -> None:
    probed = {} if probe is None else {PROBE: probe}
    describe(model, {**recognizer.description, "onnx": described.to_dict(), **probed})


@contextmanager
def _loaded(model: onnx.ModelProto) -> Iterator[OnnxEngine]:
    """Yield the engine of a graph."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        yield OnnxEngine.load(path, "cpu")[0]


def _clips(graph: Graph, recognizer: Recognizer) -> None:
    model = recognizer.model
    read = partial(clip_logits, graph, model)
    n_steps = 1 if model.pooling else "T"
    clips_graph(graph, recognizer.features, read, LOGITS, ["B", n_steps, model.n_outputs])


def _stream(graph: Graph, recognizer: Recognizer) -> StreamDescription:
    model = recognizer.model
    reasons = reasons_against_streaming(recognizer.engine, recognizer.vocabulary)
    if reasons:
        raise ConfigurationError("\n".join([*reasons, "without streaming, it can be exported"]))
    return stream_graph(
        graph,
        recognizer.features,
        model_stages(model),
        partial(stream_logits, graph, model),
        LOGITS,
        model.n_outputs,
        subsampling=model.subsampling,
        block_steps=model.chunk or 1,
    )
