"""The embedding alone as an ONNX file: clips and streams equal PyTorch's."""

import json

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.testing import assert_allclose
from safetensors.torch import save_file

from speech_rnn.engines.onnx_engine import stream_inputs
from speech_rnn.engines.onnx_format import EMBEDDINGS, METADATA_KEY, NEXT, STEPS, GraphDescription
from speech_rnn.errors import ConfigurationError
from speech_rnn.exporting import export_embedding, write_embedding
from speech_rnn.features import Embedding
from speech_rnn.features.encoder import RecurrentEncoder


@pytest.fixture(scope="module")
def embedding(tmp_path_factory):
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(RecurrentEncoder().state_dict(), path, metadata={"encoder": "{}"})
    return Embedding(path)


def session(model):
    return onnxruntime.InferenceSession(model.SerializeToString())


def sound(n_clips, n_samples):
    return (np.random.default_rng(0).standard_normal((n_clips, n_samples)) / 9).astype(np.float32)


def expected(embedding, waveform, lengths=None):
    given = None if lengths is None else torch.from_numpy(lengths)
    return embedding(torch.from_numpy(waveform), given)[0].numpy()


def test_clips(embedding):
    waveform, lengths = sound(3, 9000), np.array([9000, 5000, 700])
    run = session(export_embedding(embedding))
    found, steps = run.run([EMBEDDINGS, STEPS], {"waveform": waveform, "lengths": lengths})
    for row, n_steps, right in zip(
        found, steps, expected(embedding, waveform, lengths), strict=True
    ):
        assert_allclose(row[:n_steps], right[:n_steps], atol=1e-4)


def test_a_stream_known_whole_needs_one_run(embedding):
    waveform = sound(1, 12_345)
    run = session(export_embedding(embedding, streaming=True))
    described = json.loads(run.get_modelmeta().custom_metadata_map[METADATA_KEY])
    assert described["embedding"] == embedding.sha256
    stream = GraphDescription.from_dict(described["onnx"]).stream
    found = run.run([EMBEDDINGS], stream_inputs(waveform[0], stream))[0]
    assert_allclose(found[0], expected(embedding, waveform)[0], atol=1e-4)


def test_a_stream_in_pieces(embedding):
    waveform = sound(1, 32_000)
    run = session(export_embedding(embedding, streaming=True))
    described = json.loads(run.get_modelmeta().custom_metadata_map[METADATA_KEY])
    stream = GraphDescription.from_dict(described["onnx"]).stream
    names = [EMBEDDINGS, *(NEXT + state.name for state in stream.states)]
    given, at, found = stream_inputs(waveform[0, :1], stream), 0, []
    given["end"] = np.array([2**60])
    for n_blocks in range(stream.first_blocks, stream.n_blocks(32_000) + 1):
        stop = stream.n_samples(n_blocks)
        given["waveform"] = waveform[:, at:stop]
        embeddings, *states = run.run(names, given)
        given |= {
            f"state_{state.name}": value for state, value in zip(stream.states, states, strict=True)
        }
        found.append(embeddings[0])
        at = stop
    right = expected(embedding, waveform)[0]
    found = np.concatenate(found)
    assert len(right) - len(found) <= embedding.encoder.delay + 2
    assert_allclose(found, right[: len(found)], atol=1e-4)


@pytest.mark.parametrize("streaming", [False, True])
def test_int8_takes_at_most_600_kilobytes(embedding, tmp_path, streaming):
    path = tmp_path / "embedding.onnx"
    clips = [clip[: 9000 + 100 * n] for n, clip in enumerate(sound(6, 16_000))]
    size = write_embedding(embedding, path, streaming=streaming, int8=True, clips=clips)
    assert size == path.stat().st_size
    assert size <= 600_000
    assert 3 * size < write_embedding(embedding, path, streaming=streaming)


def test_int8_needs_clips(embedding):
    with pytest.raises(ConfigurationError, match="clips"):
        export_embedding(embedding, int8=True)


def test_the_file_ends_in_onnx(embedding, tmp_path):
    with pytest.raises(ConfigurationError, match="onnx"):
        write_embedding(embedding, tmp_path / "embedding.bin")
