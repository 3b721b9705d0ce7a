"""Export the `Embedding` alone as an ONNX file: waveforms in, embeddings out, for any program."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from speech_rnn.engines.onnx_engine import stream_inputs
from speech_rnn.engines.onnx_format import (
    EMBEDDINGS,
    LENGTHS,
    WAVEFORM,
    GraphDescription,
    StreamDescription,
)
from speech_rnn.errors import ConfigurationError
from speech_rnn.exporting.graph import OPSET, Graph, Value, describe
from speech_rnn.exporting.int8 import to_int8
from speech_rnn.exporting.recurrent_front import encode, encoder_stage
from speech_rnn.exporting.timing import Stream, Timing
from speech_rnn.exporting.waveform import clips_graph, stream_graph
from speech_rnn.features import Embedding
from speech_rnn.storage import atomic


def export_embedding(
    embedding: Embedding,
    *,
    streaming: bool = False,
    int8: bool = False,
    clips: Iterable[NDArray[np.float32]] = (),
) -> onnx.ModelProto:
    """Return an embedding as a checked ONNX model.

    Inputs, states and the entry ``onnx`` of the metadata are those of `engines.onnx_format`; the
    output ``embeddings``, (B, T, D) float32, replaces ``logits``.

    Parameters
    ----------
    streaming : whether the graph processes a stream, or batches of whole clips.
    int8 : whether to store weights in 8 bits.
    clips : some seconds of any speech, (n,) each, from which int8 determines ranges of values.

    Raises
    ------
    ConfigurationError
        if int8 is used without clips.
    """
    graph, stream = Graph(), None
    if streaming:
        stream = _stream(graph, embedding)
    else:
        _clips(graph, embedding)
    model = graph.model()
    if int8:
        model = to_int8(model, [_given(clip, stream) for clip in clips])
    described = GraphDescription(
        kind="streaming" if streaming else "offline",
        precision="int8" if int8 else "float",
        opset=OPSET,
        sample_rate=embedding.sample_rate,
        step_seconds=embedding.hop_seconds,
        win_length=embedding.log_mel.win_length,
        stream=stream,
    )
    describe(model, {"embedding": embedding.sha256, "onnx": described.to_dict()})
    onnx.checker.check_model(model, full_check=True)
    return model


def write_embedding(
    embedding: Embedding,
    output: str | Path,
    *,
    streaming: bool = False,
    int8: bool = False,
    clips: Iterable[NDArray[np.float32]] = (),
) -> int:
    """Write an embedding to a file, all or nothing, and return the file's size in bytes.

    Raises
    ------
    ConfigurationError
        if the file does not end in ``.onnx``, and in the cases of `export_embedding`.
    """
    output = Path(output)
    if output.suffix != ".onnx":
        raise ConfigurationError(f"output={str(output)!r} must end in .onnx")
    model = export_embedding(embedding, streaming=streaming, int8=int8, clips=clips)
    output.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(output, model.SerializeToString())
    return output.stat().st_size


def _clips(graph: Graph, embedding: Embedding) -> None:
    def read(frames: Value, timing: Timing) -> tuple[Value, Value]:
        steps, later = encode(graph, embedding.encoder, frames, timing)
        return steps, later.total

    clips_graph(graph, embedding.log_mel, read, EMBEDDINGS, ["B", "T", embedding.n_features])


def _stream(graph: Graph, embedding: Embedding) -> StreamDescription:
    encoder = embedding.encoder

    def read(frames: Value, timing: Stream) -> Value:
        return encode(graph, encoder, frames, timing)[0]

    return stream_graph(
        graph,
        embedding.log_mel,
        [encoder_stage(encoder)],
        read,
        EMBEDDINGS,
        embedding.n_features,
        subsampling=encoder.subsampling,
    )


def _given(clip: NDArray[np.float32], stream: StreamDescription | None) -> dict[str, NDArray[Any]]:
    """Return the inputs of the graph for a complete clip."""
    if stream is None:
        return {WAVEFORM: clip[None], LENGTHS: np.array([len(clip)], np.int64)}
    return stream_inputs(clip, stream)
