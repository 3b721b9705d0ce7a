"""Runs exported graphs as `speech_rnn.engines.onnx_format` says, in numpy alone."""

import json

import numpy as np
import onnxruntime

from speech_rnn.engines.onnx_format import (
    END,
    LENGTHS,
    METADATA_KEY,
    NEXT,
    STATE,
    UNKNOWN_END,
    WAVEFORM,
    GraphDescription,
)


class Runs:
    """An exported graph: `whole` of an offline one; `push` and `flush` of one that streams."""

    def __init__(self, model):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.content = model if isinstance(model, (bytes, str)) else model.SerializeToString()
        self.session = onnxruntime.InferenceSession(self.content, options)
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.description = json.loads(metadata[METADATA_KEY])
        self.graph = GraphDescription.from_dict(self.description["onnx"])
        self.begin()

    def whole(self, waveform, lengths):
        """Return logits (B, T, C) and steps (B,) of clips (B, N)."""
        given = {WAVEFORM: np.asarray(waveform, np.float32), LENGTHS: np.asarray(lengths, np.int64)}
        return self.session.run(None, given)

    def begin(self):
        if self.graph.stream is None:
            return
        self.states = {
            STATE + state.name: np.zeros(state.shape, state.dtype)
            for state in self.graph.stream.states
        }
        self.kept = np.zeros(0, np.float32)
        self.n_samples = self.n_blocks = 0

    def push(self, samples):
        """Return the logits now known, (t, C)."""
        stream = self.graph.stream
        self.kept = np.concatenate([self.kept, samples])
        self.n_samples += len(samples)
        n_blocks = stream.n_blocks(self.n_samples)
        if n_blocks == self.n_blocks:
            return np.zeros((0, self.session.get_outputs()[0].shape[-1]), np.float32)
        n_taken = stream.n_samples(n_blocks) - stream.n_samples(self.n_blocks)
        taken, self.kept = self.kept[:n_taken], self.kept[n_taken:]
        self.n_blocks = n_blocks
        return self._run(taken, UNKNOWN_END)

    def flush(self):
        """Return the logits left, (t, C)."""
        stream = self.graph.stream
        n_samples = max(self.n_samples, stream.win_length)
        n_steps = stream.n_steps(n_samples)
        n_left = n_steps - self.n_blocks * stream.block_steps
        logits = np.zeros((0, self.session.get_outputs()[0].shape[-1]), np.float32)
        if n_left > 0:
            n_blocks = -(-n_steps // stream.block_steps)
            n_taken = stream.n_samples(n_blocks) - stream.n_samples(self.n_blocks)
            padded = np.zeros(n_taken, np.float32)
            padded[: len(self.kept)] = self.kept
            logits = self._run(padded, n_samples)[:n_left]
        self.begin()
        return logits

    def _run(self, samples, end):
        names = [output.name for output in self.session.get_outputs()]
        given = {WAVEFORM: samples[None], END: np.array([end]), **self.states}
        found = dict(zip(names, self.session.run(names, given), strict=True))
        self.states = {name: found[NEXT + name.removeprefix(STATE)] for name in self.states}
        return found["logits"][0]
