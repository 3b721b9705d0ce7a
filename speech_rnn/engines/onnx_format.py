"""The interface of an exported ONNX file: names, shapes, metadata, and how to stream.

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

    Padding never changes the logits of a clip; a clip shorter than a window is padded internally.

Streaming (``kind: streaming``)
    ================  ==========  ===================================================
    ``waveform``      float32     (1, n), the next samples
    ``end``           int64       (1,) samples of the whole stream, or `UNKNOWN_END`
    ``state_<name>``  its dtype   one input for each of ``stream.states``
    ``logits``        float32     (1, t, C), the steps now known
    ``next_<name>``   its dtype   the value of ``state_<name>`` in the next run
    ================  ==========  ===================================================

    A run takes whole blocks, and each block gives ``block_steps`` steps. The caller keeps the
    samples that do not fill a block:

    1. *Begin*: each state is zeros of its ``shape`` and ``dtype``. The lengths of states may change
       from run to run: pass each one on as it is returned.
    2. *Push*: the first run takes ``first_samples + k * block_samples`` samples with any k ≥ 0, and
       gives ``(first_blocks + k) * block_steps`` steps. Each later run takes ``k * block_samples``
       with k ≥ 1, and gives ``k * block_steps``. ``end`` is `UNKNOWN_END`. In total, n samples are
       enough for ``stream.n_blocks(n)`` blocks, which take ``stream.n_samples(blocks)``.
    3. *Flush*: the stream has N samples, or ``win_length`` if that is more, and
       ``stream.n_steps(N)`` steps. If some remain, one more run takes the samples that the caller
       kept, then zeros up to ``stream.n_samples(ceil(steps / block_steps))`` of the whole stream,
       with ``end = N``. Steps beyond the stream's own are cut off.

    The steps of all runs together equal those of the offline pass, for any pushes (for a
    classifier: `AcousticModel.step_logits`, whose last step is the clip's answer). A complete clip
    needs one run: only step 3.

A file of the embedding alone (`exporting.export_embedding`) has ``embeddings``, (B, T, D), instead
of ``logits``, and in its metadata ``onnx`` and ``embedding``, the SHA-256 of the weights.

int8 files (``precision: int8``) have the same inputs and outputs. This module needs no torch.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

from speech_rnn.storage.typed import typed

ONNX_FORMAT_VERSION = 1
"""Version of ``onnx`` in the metadata; a reader rejects newer ones."""
METADATA_KEY = "speech_rnn"
WAVEFORM, LENGTHS, END = "waveform", "lengths", "end"
LOGITS, STEPS, EMBEDDINGS = "logits", "steps", "embeddings"
STATE, NEXT = "state_", "next_"
DTYPES = ("float32", "float64", "int64")
"""Types of states."""
UNKNOWN_END = 2**60
"""Number of samples of a stream whose end is not yet known."""


MOST = 2**24
"""Largest number of samples, steps or values of a state that a description may contain."""


@dataclass(frozen=True)
class StateDescription:
    """A state of a streaming graph, which begins as zeros.

    Parameters
    ----------
    name : name without the prefix.
    shape : shape of the zeros; a length may be 0.
    dtype : numpy's name of the type: ``float32``, ``float64`` or ``int64``.
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
    """Raise for whole numbers that are below 1 (below 0 for `least_0`), or absurdly large."""
    for name, value in vars(given).items():
        if isinstance(value, int) and not int(name not in least_0) <= value <= MOST:
            raise ValueError(f"{name}={value} is out of range")


@dataclass(frozen=True)
class StreamDescription:
    """How samples become steps in a streaming graph; the module docstring says how to run it.

    Parameters
    ----------
    first_samples, first_blocks : samples of the smallest first run, and the blocks that it gives.
    block_samples : samples of each later block.
    block_steps : steps of a block.
    win_length : number of samples to which the shortest stream is padded.
    reach, hop_length : samples of the first frame, and of each further frame.
    subsampling : frames per step.
    states : states that a run takes and returns.
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
        """Return the number of steps of a whole stream of `n_samples`."""
        n_samples = max(n_samples, self.win_length)
        n_frames = max(1, (n_samples - self.reach) // self.hop_length + 1)
        return -(-n_frames // self.subsampling)

    def n_blocks(self, n_samples: int) -> int:
        """Return the number of blocks for which the first `n_samples` of a stream are enough."""
        if n_samples < self.first_samples:
            return 0
        return self.first_blocks + (n_samples - self.first_samples) // self.block_samples

    def n_samples(self, n_blocks: int) -> int:
        """Return the total samples of `n_blocks`, or of the next possible number of blocks."""
        later = max(0, n_blocks - self.first_blocks)
        return self.first_samples + later * self.block_samples if n_blocks else 0


@dataclass(frozen=True)
class GraphDescription:
    """The entry ``onnx`` of the metadata.

    Parameters
    ----------
    kind : ``offline`` or ``streaming``.
    precision : ``float``, or ``int8`` for weights of 8 bits.
    opset : version of ONNX's operator set.
    sample_rate : sample rate of the waveform, in Hz.
    step_seconds : time between two steps of the logits, in seconds.
    win_length : samples of a window, to which a shorter clip is padded.
    stream : description of a streaming graph.
    most_samples : samples of the longest clip that the graph can process; None for any length.
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
        """Return plain values for JSON, with `most_samples` only if there is a limit."""
        values = asdict(self)
        if self.most_samples is None:
            del values["most_samples"]
        return values

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> GraphDescription:
        """Create the description from the values of `to_dict`.

        Raises
        ------
        KeyError, TypeError, ValueError
            if the values have another form, or sizes are absurd. Check ``version`` first, because
            newer files may contain more.
        """
        given = dict(given)
        if (stream := given.pop("stream", None)) is not None:
            states = [
                typed(StateDescription, {**state, "shape": tuple(state["shape"])})
                for state in stream["states"]
            ]
            stream = typed(StreamDescription, {**stream, "states": tuple(states)})
        return typed(cls, {**given, "stream": stream})
