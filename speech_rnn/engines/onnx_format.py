"""What an exported ONNX file promises whoever runs it: names, shapes, metadata, how to stream.

The file's metadata holds one entry, ``speech_rnn``: JSON with what `Recognizer.save` writes beside
its weights (``version``, ``features``, ``model``, ``vocabulary``, ``decoding``, ``calibration``,
``spotting``, ``provenance``), ``onnx``: a `GraphDescription`, and ``probe``: a short sound and its
logits, see `engines.probe`. Logits are those of `Recognizer.logits`, before calibration.

Offline (``kind: offline``)
    ============  ==========  =======================================================
    ``waveform``  float32     (B, N) in [-1, 1] at ``sample_rate``; any B and N, at least 1
    ``lengths``   int64       (B,) samples of each clip, 1 to N; the rest is padding
    ``logits``    float32     (B, T, C); T is 1 for classes
    ``steps``     int64       (B,) steps of each clip that count
    ============  ==========  =======================================================

    Padding never changes a clip's logits; what is shorter than a window is filled up inside.

Streaming (``kind: streaming``)
    ================  ==========  ===================================================
    ``waveform``      float32     (1, n), the next samples
    ``end``           int64       (1,) samples of the whole stream, or `UNKNOWN_END`
    ``state_<name>``  its dtype   one input for each of ``stream.states``
    ``logits``        float32     (1, t, C), the steps now known
    ``next_<name>``   its dtype   what the next run takes as ``state_<name>``
    ================  ==========  ===================================================

    A run takes whole blocks, and each block gives ``block_steps`` steps. The runner keeps the
    samples that do not fill a block:

    1. *Begin*: each state is zeros of its ``shape`` and ``dtype``. The lengths of states may change
       from run to run: take each as it comes.
    2. *Push*: the first run takes ``first_samples + k * block_samples`` samples with any k ≥ 0, and
       gives ``(first_blocks + k) * block_steps`` steps; each later one ``k * block_samples`` with
       k ≥ 1, and gives ``k * block_steps``. ``end`` is `UNKNOWN_END`. In sum: n samples are enough
       for ``stream.n_blocks(n)`` blocks, which take ``stream.n_samples(blocks)``.
    3. *Flush*: the stream has N samples, or ``win_length`` if that is more, and
       ``stream.n_steps(N)`` steps. If some are left, one more run takes the samples that the runner
       kept, then zeros up to ``stream.n_samples(ceil(steps / block_steps))`` of the whole stream,
       with ``end = N``. Steps beyond the stream's own are cut off.

    The steps of all runs together are those of the offline pass, whatever the pushes (of a
    classifier: `AcousticModel.step_logits`, whose last step is the clip's answer). A clip that is
    known whole needs one run: step 3 alone.

A file of the embedding alone (`exporting.export_embedding`) has ``embeddings``, (B, T, D), in the
place of ``logits``, and in its metadata ``onnx`` and ``embedding``, the SHA-256 of the weights.

int8 files (``precision: int8``) have the same inputs and outputs. This module needs no torch.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

from speech_rnn.storage.typed import typed

ONNX_FORMAT_VERSION = 1
"""Of ``onnx`` in the metadata; a reader refuses newer ones."""
METADATA_KEY = "speech_rnn"
WAVEFORM, LENGTHS, END = "waveform", "lengths", "end"
LOGITS, STEPS, EMBEDDINGS = "logits", "steps", "embeddings"
STATE, NEXT = "state_", "next_"
DTYPES = ("float32", "float64", "int64")
"""Types that a state may have."""
UNKNOWN_END = 2**60
"""Samples of a stream that goes on."""


MOST = 2**24
"""The most samples, steps or values of a state that a description may ask for."""


@dataclass(frozen=True)
class StateDescription:
    """A state of a streaming graph as a stream begins: zeros.

    Parameters
    ----------
    name : without the prefix.
    shape : of the zeros; a length may be 0.
    dtype : numpy's name: ``float32``, ``float64`` or ``int64``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype={self.dtype!r} of a state must be one of {', '.join(DTYPES)}")
        if len(self.shape) > 8 or min(self.shape, default=0) < 0 or prod(self.shape) > MOST:
            raise ValueError(f"shape={list(self.shape)!r:.80} of a state is out of range")


def _check_sizes(given: Any, least_0: Collection[str] = ()) -> None:
    """Refuse whole numbers that are below 1, or 0, or beyond all use."""
    for name, value in vars(given).items():
        if isinstance(value, int) and not int(name not in least_0) <= value <= MOST:
            raise ValueError(f"{name}={value} is out of range")


@dataclass(frozen=True)
class StreamDescription:
    """How samples become steps in a streaming graph; the module's docstring says how to run it.

    Parameters
    ----------
    first_samples, first_blocks : the least that a first run takes, and the blocks it then gives.
    block_samples : of each later block.
    block_steps : steps that a block gives.
    win_length : samples that the shortest stream is filled up to.
    reach, hop_length : samples of the first frame, and of each frame more.
    subsampling : frames of a step.
    states : that a run takes and gives.
    """

    first_samples: int
    first_blocks: int
    block_samples: int
    block_steps: int
    win_length: int
    reach: int
    hop_length: int
    subsampling: int
    states: tuple[StateDescription, ...]

    def __post_init__(self) -> None:
        _check_sizes(self, least_0=("first_samples", "first_blocks", "reach"))

    def n_steps(self, n_samples: int) -> int:
        """Return the steps of a whole stream of `n_samples`."""
        n_samples = max(n_samples, self.win_length)
        n_frames = max(1, (n_samples - self.reach) // self.hop_length + 1)
        return -(-n_frames // self.subsampling)

    def n_blocks(self, n_samples: int) -> int:
        """Return how many blocks the first `n_samples` of a stream that goes on are enough for."""
        if n_samples < self.first_samples:
            return 0
        return self.first_blocks + (n_samples - self.first_samples) // self.block_samples

    def n_samples(self, n_blocks: int) -> int:
        """Return how many samples so many blocks, or the next number that can be, take in all."""
        later = max(0, n_blocks - self.first_blocks)
        return self.first_samples + later * self.block_samples if n_blocks else 0


@dataclass(frozen=True)
class GraphDescription:
    """The entry ``onnx`` of the metadata.

    Parameters
    ----------
    kind : ``offline`` or ``streaming``.
    precision : ``float``, or ``int8`` for weights of 8 bits.
    opset : of ONNX.
    sample_rate : of the waveform, in Hz.
    step_seconds : from one step of the logits to the next.
    win_length : samples of a window, the least that a clip counts as.
    stream : of a streaming graph.
    most_samples : samples of the longest clip that the graph can read; None means any length.
    version : `ONNX_FORMAT_VERSION`.
    """

    kind: str
    precision: str
    opset: int
    sample_rate: int
    step_seconds: float
    win_length: int
    stream: StreamDescription | None = None
    most_samples: int | None = None
    version: int = ONNX_FORMAT_VERSION

    def __post_init__(self) -> None:
        _check_sizes(self)
        if not 1 / self.sample_rate <= self.step_seconds <= MOST / self.sample_rate:
            raise ValueError(f"step_seconds={self.step_seconds!r} is out of range")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `most_samples` only where there is a bound."""
        values = asdict(self)
        if self.most_samples is None:
            del values["most_samples"]
        return values

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> GraphDescription:
        """Return what `to_dict` wrote.

        Raises
        ------
        KeyError, TypeError, ValueError
            for anything else, and for sizes beyond all use. Whoever reads a file checks ``version``
            first: newer ones may hold more.
        """
        given = dict(given)
        if (stream := given.pop("stream", None)) is not None:
            states = [
                typed(StateDescription, {**state, "shape": tuple(state["shape"])})
                for state in stream["states"]
            ]
            stream = typed(StreamDescription, {**stream, "states": tuple(states)})
        return typed(cls, {**given, "stream": stream})
