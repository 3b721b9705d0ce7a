"""The front of a model as a graph, from log-mel frames to embeddings, for each kind of front."""

from __future__ import annotations

from speech_rnn.errors import ConfigurationError
from speech_rnn.exporting.graph import Graph, Value
from speech_rnn.exporting.layers import normalize
from speech_rnn.exporting.recurrent_front import encode, encoder_stage
from speech_rnn.exporting.speech_embedding import FRONT, embed
from speech_rnn.exporting.timing import Stage, Timing
from speech_rnn.exporting.whisper import encode as encode_whisper
from speech_rnn.model.embedding import SpeechEmbedding
from speech_rnn.model.front import Front
from speech_rnn.model.recurrent_front import RecurrentFront
from speech_rnn.model.whisper import WhisperEncoder


def front_stages(front: Front | None) -> list[Stage]:
    """Return the context of a stream of frames that a front reads."""
    if front is None:
        return []
    return [encoder_stage(front.encoder)] if isinstance(front, RecurrentFront) else [FRONT]


def front_steps(graph: Graph, front: Front, frames: Value, timing: Timing) -> tuple[Value, Timing]:
    """Map frames (B, T, D) to the embeddings (B, S, D') of a front."""
    if isinstance(front, SpeechEmbedding):
        return embed(graph, front, frames, timing)
    if isinstance(front, WhisperEncoder):
        with graph.part("transformer"):
            return encode_whisper(graph, front, frames, timing)
    if isinstance(front, RecurrentFront):
        steps, timing = encode(graph, front.encoder, frames, timing)
        return normalize(graph, front.normalization, steps, shape=(-1,)), timing
    raise ConfigurationError(f"a front of {type(front).__name__} cannot be exported")
