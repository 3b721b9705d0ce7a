"""The input stage of every graph: cut the waveform of clips or of a stream into frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from speech_rnn.engines.onnx_format import END, LENGTHS, STEPS, WAVEFORM, StreamDescription
from speech_rnn.exporting.features import clip_frames, feature_stages, stream_frames
from speech_rnn.exporting.graph import Graph, Value
from speech_rnn.exporting.timing import Stage, Stream, Timing, first_run
from speech_rnn.features import LogMel


def clips_graph(
    graph: Graph,
    features: LogMel,
    read: Callable[[Value, Timing], tuple[Value, Value]],
    name: str,
    shape: Sequence[int | str | None],
) -> None:
    """Write a graph over clips, from waveform and lengths to the output of `read`.

    Parameters
    ----------
    read : function that maps frames (B, T, D) to values and their lengths (B,).
    name, shape : name and shape of the output.
    """
    waveform = graph.input(WAVEFORM, "float32", ["B", "N"])
    lengths = graph.input(LENGTHS, "int64", ["B"])
    with graph.part("features"):
        frames, timing = clip_frames(graph, features, waveform, lengths)
    with graph.part("model"):
        values, steps = read(frames, timing)
    graph.output(name, values, "float32", shape)
    graph.output(STEPS, steps, "int64", ["B"])


def stream_graph(
    graph: Graph,
    features: LogMel,
    stages: Sequence[Stage],
    read: Callable[[Value, Stream], Value],
    name: str,
    n_outputs: int,
    *,
    subsampling: int,
    block_steps: int = 1,
) -> StreamDescription:
    """Write a graph over a stream, and return the description of how to run it.

    Parameters
    ----------
    stages : context that each part of `read` needs: frames, then steps.
    read : function that maps the next frames (1, t, D) to the values of the completed steps.
    name : name of the output, whose shape is (1, t, n_outputs).
    n_outputs : number of values per step of the output.
    subsampling : number of frames per step.
    block_steps : number of steps that are computed together.
    """
    n_blocks, needed = first_run([*feature_stages(features), *stages])
    waveform = graph.input(WAVEFORM, "float32", [1, "n"])
    end = graph.input(END, "int64", [1])
    position = graph.state("position", [1], "int64")
    with graph.part("features"):
        found = stream_frames(graph, features, waveform, end, position, needed)
        frames, timing, position = found
    with graph.part("model"):
        values = read(frames, timing)
    graph.next_state("position", position)
    graph.output(name, values, "float32", [1, "t", n_outputs])
    return StreamDescription(
        first_samples=needed[0],
        first_blocks=n_blocks,
        block_samples=block_steps * subsampling * features.hop_length,
        block_steps=block_steps,
        win_length=features.win_length,
        reach=features.layout.reach,
        hop_length=features.hop_length,
        subsampling=subsampling,
        states=tuple(graph.states),
    )
