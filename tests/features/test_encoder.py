"""The recurrent encoder: what a step hears, streams and batches alike."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from speech_rnn.errors import ConfigurationError
from speech_rnn.features.encoder import FRAMES, RecurrentEncoder


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return RecurrentEncoder(channels=(4, 6, 8), projection=12, size=10, delay=2).eval()


def frames(n_clips, n_frames, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_clips, n_frames, 40, generator=generator) * 3 - 4


@torch.no_grad()
def embedded(encoder, some):
    return encoder(some, torch.full((len(some),), some.shape[1]))


@given(n_frames=st.integers(1, 60))
def test_there_is_a_step_for_each_four_frames_begun(encoder, n_frames):
    embeddings, lengths = embedded(encoder, frames(2, n_frames))
    assert embeddings.shape == (2, -(-n_frames // FRAMES), encoder.n_outputs)
    assert lengths.tolist() == [embeddings.shape[1]] * 2


@torch.no_grad()
def test_embeddings_do_not_depend_on_the_batch(encoder):
    some = frames(3, 50)
    lengths = torch.tensor([50, 17, 1])
    together, steps = encoder(some, lengths)
    for clip, length, n_steps, embeddings in zip(some, lengths, steps, together, strict=True):
        alone, _ = encoder(clip[None, :length], length[None])
        assert_close(embeddings[:n_steps], alone[0])


@given(cuts=st.lists(st.integers(0, 30), max_size=6))
@torch.no_grad()
def test_a_stream_equals_its_batch(encoder, cuts):
    total = sum(cuts) + 5
    some = frames(2, total)
    whole, _ = embedded(encoder, some)
    stream, pieces = encoder.stream(), []
    for piece in some.split([*cuts, 5], dim=1):
        pieces.append(stream.push(piece, final=False))
    pieces.append(stream.push(None, final=True))
    assert_close(torch.cat([piece for piece in pieces if piece is not None], dim=1), whole)


@torch.no_grad()
def test_a_step_depends_on_its_look_ahead_and_nothing_later(encoder):
    some = frames(1, 80)
    before, _ = embedded(encoder, some)
    for changed in (40, 43):
        other = some.clone()
        other[:, changed:] += 1
        after, _ = embedded(encoder, other)
        same = (before == after).all(2)[0]
        first = changed // FRAMES - encoder.delay
        assert same[:first].all()
        assert not same[first:].any()


@torch.no_grad()
def test_silence_before_a_clip_is_like_nothing_before_it(encoder):
    """Levels of silence are 0, as what pads the convolutions."""
    silence = torch.full((1, 40, 40), -30.0)
    embeddings, _ = embedded(encoder, silence)
    assert embeddings.isfinite().all()
    assert encoder.convolutions[0](torch.zeros(1, 1, 8, 40)).shape == (1, 4, 4, 20)


def test_it_has_three_convolutions():
    with pytest.raises(ConfigurationError, match="channels"):
        RecurrentEncoder(channels=(8, 8))


def test_the_one_of_the_package_is_small():
    encoder = RecurrentEncoder()
    assert sum(weight.numel() for weight in encoder.parameters()) <= 500_000
