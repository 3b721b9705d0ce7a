"""Reading backwards with a bounded latency, against its definition, chunk after chunk."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.tensors.lengths import zero_beyond
from tests.model.test_model import CELLS, build, draw


def states_of(layer, window, n_own, state):
    """One window of one layer by torch's own layers: hidden states, and the state to carry."""
    own, carried = layer.forwards(window[:, :n_own], state)
    forward = own
    if window.shape[1] > n_own:
        ahead, _ = layer.forwards(window[:, n_own:], carried)
        forward = torch.cat([own, ahead], dim=1)
    behind, _ = layer.backwards(window.flip(1))  # from zero at the end of the look-ahead
    return torch.cat([forward, behind.flip(1)], dim=2), carried


def by_definition(model, steps):
    """Zhang et al. (2016): chunk after chunk, all layers of one before the next."""
    carried = [None] * len(model.layers)
    hidden = []
    for first in range(0, steps.shape[1], model.chunk):
        window = steps[:, first : first + model.chunk + model.look_ahead]
        n_own = min(model.chunk, window.shape[1])
        for number, layer in enumerate(model.layers):
            window, carried[number] = states_of(layer, window, n_own, carried[number])
        hidden.append(window[:, :n_own])
    return torch.cat(hidden, dim=1)


@pytest.mark.parametrize("cell", CELLS)
@settings(max_examples=15)
@given(
    n_steps=st.integers(1, 17),
    chunk=st.integers(1, 6),
    look_ahead=st.integers(0, 7),
    n_layers=st.integers(1, 3),
)
def test_chunks_follow_their_definition(cell, n_steps, chunk, look_ahead, n_layers):
    settings = {"cell": cell, "chunk": chunk, "look_ahead": look_ahead, "n_layers": n_layers}
    model = build(**settings, head="ctc", input_normalization=False).eval()
    frames, lengths = draw([n_steps])
    with torch.no_grad():
        hidden, _ = model.encode(frames, lengths)
        torch.testing.assert_close(hidden, by_definition(model, frames), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_one_chunk_is_the_bidirectional_network(cell):
    batch = draw([11, 4])
    whole = build(cell=cell, head="ctc").eval()
    chunked = build(cell=cell, head="ctc", chunk=20).eval()  # the same weights: of the same seed
    (found, lengths), (expected, _) = chunked(*batch), whole(*batch)
    torch.testing.assert_close(zero_beyond(found, lengths), zero_beyond(expected, lengths))


def test_outputs_depend_on_the_look_ahead_at_most():
    model = build(head="ctc", chunk=4, look_ahead=3).eval()
    frames, lengths = draw([20])
    logits, _ = model(frames, lengths)
    frames[:, 11:] += 1
    changed, _ = model(frames, lengths)
    assert torch.equal(logits[:, :8], changed[:, :8])  # which steps 8 to 10 may still reach
    assert not torch.isclose(logits[:, 8:12], changed[:, 8:12]).all(dim=2).any()
