"""An exported graph in ONNX Runtime, without torch; `engines.onnx_format` describes the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.engines.engine import newer_format, read_description
from speech_rnn.engines.foreign_graph import check_graph
from speech_rnn.engines.last_layer import LastLayer, read_last_layer, replace_last_layer
from speech_rnn.engines.onnx_format import (
    END,
    LENGTHS,
    LOGITS,
    METADATA_KEY,
    NEXT,
    ONNX_FORMAT_VERSION,
    STATE,
    STEPS,
    UNKNOWN_END,
    WAVEFORM,
    GraphDescription,
    StreamDescription,
)
from speech_rnn.engines.onnx_session import open_session
from speech_rnn.engines.probe import KEY as PROBE
from speech_rnn.engines.probe import probe_of
from speech_rnn.errors import ConfigurationError, MissingExtraError, ModelError

if TYPE_CHECKING:
    import onnx
    import torch
    from onnxruntime import InferenceSession


class OnnxEngine:
    """Computes with one thread of ONNX Runtime, which is fastest for clips of some seconds.

    A streaming file also handles whole clips, because the steps of a stream equal those of its
    clip.

    Parameters
    ----------
    path : path of the file.
    session : session in which the file is loaded.
    description : description from the file's metadata.
    graph : its entry ``onnx``.
    content : content of the file, if it differs from the one at `path`.
    """

    def __init__(
        self,
        path: str | Path,
        session: InferenceSession,
        description: dict[str, Any],
        graph: GraphDescription,
        content: bytes | None = None,
    ) -> None:
        self.path = Path(path)
        self.graph = graph
        self._content = content
        self._session = session
        self._description = description
        self.sample_rate = graph.sample_rate
        self.step_length = round(graph.step_seconds * graph.sample_rate)
        self.n_outputs = int(session.get_outputs()[0].shape[-1])
        self.head = str(description["model"]["head"])

    @classmethod
    def load(cls, path: str | Path, device: str) -> tuple[OnnxEngine, dict[str, Any]]:
        """Load engine and description from a file that `speech_rnn.export` wrote.

        Raises
        ------
        ModelError
            if the file is missing, truncated, of a newer format, not an exported one, or if the
            installed ONNX Runtime does not support it.
        ConfigurationError
            if the device is not the CPU.
        """
        _check_device(device)
        check_graph(path)
        session = open_session(path)
        try:
            text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        except UnicodeDecodeError:
            text = None
        description = read_description(path, text)
        try:
            version = description["onnx"]["version"]
            if version > ONNX_FORMAT_VERSION:
                raise newer_format(path, "ONNX format", version, ONNX_FORMAT_VERSION)
            graph = GraphDescription.from_dict(description["onnx"])
            _check_names(session, graph)
            return cls(path, session, description, graph), description
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise ModelError(
                f"model={str(path)!r}: its graph does not fit its description: {error}; export "
                "it again"
            ) from error

    @property
    def content(self) -> bytes:
        """The content of the file."""
        return self.path.read_bytes() if self._content is None else self._content

    @property
    def device(self) -> str:
        """The device on which it computes."""
        return "cpu"

    def to(self, device: str | torch.device) -> None:
        """Stay on the CPU; any other device raises an error."""
        _check_device(str(device))

    def logits(
        self, waveform: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return logits (B, T, C) and their lengths (B,) of clips (B, N); see `Engine.logits`."""
        if self.graph.stream is None:
            self._check_room(waveform.shape[1])
            given: dict[str, NDArray[Any]] = {WAVEFORM: waveform, LENGTHS: lengths}
            logits, steps = run(self._session, [LOGITS, STEPS], given, self.path)
            self._check_steps(logits, steps, len(waveform))
            return logits, steps
        stream = self.stream()
        pieces = []
        for clip, length in zip(waveform, lengths.tolist(), strict=True):
            found = stream.answer(clip[:length])
            pieces.append(found[-1:] if self.head == "classification" else found)
        counts = np.array([len(piece) for piece in pieces], np.int64)
        padded = np.zeros((len(pieces), counts.max(), self.n_outputs), np.float32)
        for row, piece in zip(padded, pieces, strict=True):
            row[: len(piece)] = piece
        return padded, counts

    def _check_steps(
        self, logits: NDArray[np.float32], steps: NDArray[np.int64], n_clips: int
    ) -> None:
        """Raise if logits have other sizes than the description says."""
        if (
            logits.ndim != 3
            or logits.shape[::2] != (n_clips, self.n_outputs)
            or steps.shape != (n_clips,)
            or not 0 <= steps.min() <= steps.max() <= logits.shape[1]
        ):
            raise ModelError(
                f"model={str(self.path)!r} computes logits of shape {logits.shape} in steps "
                f"{steps.tolist()!r:.80}, which does not fit its description; export it again"
            )

    def _check_room(self, n_samples: int) -> None:
        if self.graph.most_samples is not None and n_samples > self.graph.most_samples:
            raise ConfigurationError(
                f"a clip of {n_samples / self.sample_rate:.1f} s is too long for "
                f"model={str(self.path)!r}, which takes at most "
                f"{self.graph.most_samples / self.sample_rate:.1f} s; cut it into shorter ones"
            )

    def inputs(self, clip: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Return the inputs of the graph for one complete clip, (n,)."""
        if self.graph.stream is None:
            return {WAVEFORM: clip[None], LENGTHS: np.array([len(clip)], np.int64)}
        return stream_inputs(clip, self.graph.stream)

    def reasons_against_streaming(self) -> list[str]:
        """Return that a file for whole clips cannot stream."""
        if self.graph.stream is not None:
            return []
        return [
            f"model={str(self.path)!r} was exported for whole clips: export it with --streaming, "
            "if the recogniser can stream"
        ]

    def stream(self) -> OnnxLogitStream:
        """Return a stream; see `Engine.stream`."""
        if self.graph.stream is None:
            raise ConfigurationError("\n".join(self.reasons_against_streaming()))
        return OnnxLogitStream(self._session, self.graph.stream, self.n_outputs, self.path)

    def describe(self) -> dict[str, Any]:
        """Return the settings of features, model and graph, and the probe."""
        names = ("features", "model", "onnx", PROBE)
        return {name: self._description[name] for name in names if name in self._description}

    def last_layer(self) -> LastLayer:
        """Return the layer that computes the logits; 8-bit weights are dequantized.

        Raises
        ------
        MissingExtraError
            if the package onnx is not installed.
        """
        return read_last_layer(self._model())

    def with_last_layer(self, layer: LastLayer) -> OnnxEngine:
        """Return a copy with another last layer; see `Engine.with_last_layer`.

        Raises
        ------
        MissingExtraError
            if the package onnx is not installed.
        """
        model = self._model()
        replace_last_layer(model, layer)
        content = model.SerializeToString()
        network = {**self._description["model"], "n_outputs": len(layer.bias)}
        described = {**self._description, "model": network}
        engine = OnnxEngine(self.path, open_session(content), described, self.graph, content)
        if PROBE in described:
            described[PROBE] = probe_of(engine)
        return engine

    def _model(self) -> onnx.ModelProto:
        """Return the graph as a model of the package onnx."""
        try:
            import onnx
        except ImportError as error:
            raise MissingExtraError("onnx", "export") from error
        if self._content is not None:
            return onnx.load_model_from_string(self._content)
        return onnx.load(self.path)

    def serialize(self, description: dict[str, Any]) -> bytes:
        """Return the content of the file with another description.

        Raises
        ------
        MissingExtraError
            if the package onnx is not installed.
        """
        model = self._model()
        del model.metadata_props[:]
        model.metadata_props.add(key=METADATA_KEY, value=json.dumps(description))
        return bytes(model.SerializeToString())


class OnnxLogitStream:
    """Logits of a waveform that arrives in pieces; see `LogitStream`.

    Parameters
    ----------
    session : session of a streaming file.
    stream : how the graph is run.
    n_outputs : number of columns of the logits.
    path : path of the file, for messages.
    """

    def __init__(
        self, session: InferenceSession, stream: StreamDescription, n_outputs: int, path: Path
    ) -> None:
        self._session, self._stream, self._n_outputs = session, stream, n_outputs
        self._path = path
        self._outputs = [LOGITS, *(NEXT + state.name for state in stream.states)]
        self._begin()

    def _begin(self) -> None:
        self._states = _first_states(self._stream)
        self._kept: list[NDArray[np.float32]] = []
        self._n_samples = self._n_blocks = 0

    @property
    def n_missing(self) -> int:
        """Number of samples without which `push` gives no further logits."""
        return self._stream.n_samples(self._n_blocks + 1) - self._n_samples

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next samples, (n,) with any n, and return the logits now known, (t, C)."""
        self._kept.append(samples)
        self._n_samples += len(samples)
        return self._advance(self._stream.n_blocks(self._n_samples), UNKNOWN_END)

    def flush(self) -> NDArray[np.float32]:
        """End the waveform; return the remaining logits, (t, C). The next push begins another."""
        stream = self._stream
        n_steps = stream.n_steps(self._n_samples)
        left = n_steps - self._n_blocks * stream.block_steps
        n_blocks = -(-n_steps // stream.block_steps)
        logits = self._advance(n_blocks, max(self._n_samples, stream.win_length))[: max(0, left)]
        self._begin()
        return logits

    def answer(self, clip: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits of a complete clip, (n,), in one run."""
        self._begin()
        self._kept, self._n_samples = [clip], len(clip)
        return self.flush()

    def _advance(self, n_blocks: int, end: int) -> NDArray[np.float32]:
        """Run at most this many blocks of the stream."""
        if n_blocks <= self._n_blocks:
            return np.zeros((0, self._n_outputs), np.float32)
        wanted = self._stream.n_samples(n_blocks) - self._stream.n_samples(self._n_blocks)
        kept = np.concatenate(self._kept)
        given = _run_inputs(kept, wanted, end, self._states)
        logits, *states = run(self._session, self._outputs, given, self._path)
        n_steps = (n_blocks - self._n_blocks) * self._stream.block_steps
        # The smallest run may give more steps than a short stream has; `flush` cuts them off.
        if logits.ndim != 3 or logits.shape[2] != self._n_outputs or logits.shape[1] < n_steps:
            raise ModelError(
                f"model={str(self._path)!r} computes logits of shape {logits.shape} where its "
                f"description has {(1, n_steps, self._n_outputs)}; export it again"
            )
        self._states = dict(zip(self._states, states, strict=True))
        self._kept, self._n_blocks = [kept[wanted:]], n_blocks
        return np.asarray(logits[0])


def stream_inputs(clip: NDArray[np.float32], stream: StreamDescription) -> dict[str, NDArray[Any]]:
    """Return the inputs of a streaming graph for a complete clip, (n,)."""
    n_blocks = -(-stream.n_steps(len(clip)) // stream.block_steps)
    end = max(len(clip), stream.win_length)
    return _run_inputs(clip, stream.n_samples(n_blocks), end, _first_states(stream))


def run(
    session: InferenceSession, outputs: list[str], given: dict[str, NDArray[Any]], path: Path
) -> list[NDArray[Any]]:
    """Run a graph.

    Raises
    ------
    ModelError
        if the run fails.
    """
    try:
        return list(session.run(outputs, given))
    except Exception as error:  # ONNX Runtime's errors have no other common class
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"model={str(path)!r} fails as it runs: {reason}; export it again"
        ) from error


def _first_states(stream: StreamDescription) -> dict[str, NDArray[Any]]:
    return {STATE + state.name: np.zeros(state.shape, state.dtype) for state in stream.states}


def _run_inputs(
    samples: NDArray[np.float32], wanted: int, end: int, states: dict[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Return the inputs of a run; missing samples are zeros."""
    taken = samples[:wanted]
    if len(taken) < wanted:
        taken = np.concatenate([taken, np.zeros(wanted - len(taken), np.float32)])
    return {WAVEFORM: taken[None], END: np.array([end], np.int64), **states}


def _check_device(device: str) -> None:
    if device not in ("cpu", "auto"):
        raise ConfigurationError(
            f"device={device!r}: an ONNX file runs on the CPU; give device=cpu, or the "
            "recognizer.safetensors"
        )


def _check_names(session: InferenceSession, graph: GraphDescription) -> None:
    """Raise if the inputs and outputs of a graph differ from its description."""
    states = [state.name for state in graph.stream.states] if graph.stream else []
    inputs = [WAVEFORM, *([END] if graph.stream else [LENGTHS]), *(STATE + name for name in states)]
    outputs = [LOGITS, *([] if graph.stream else [STEPS]), *(NEXT + name for name in states)]
    for kind, found, named in (
        ("inputs", session.get_inputs(), inputs),
        ("outputs", session.get_outputs(), outputs),
    ):
        if sorted(part.name for part in found) != sorted(named):
            raise ValueError(f"{kind} are {sorted(part.name for part in found)}, not {named}")
    if session.get_outputs()[0].name != LOGITS:
        raise ValueError(f"the first output is not {LOGITS}")
