import itertools
from itertools import groupby

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.decoding.beam import BeamSearch
from speech_rnn.errors import ConfigurationError


def random_log_probs(n_clips, n_steps, n_tokens, seed=0, contrast=2.0):
    random = np.random.default_rng(seed)
    logits = contrast * random.normal(size=(n_clips, n_steps, n_tokens))
    return logits - np.logaddexp.reduce(logits, axis=2, keepdims=True)


def all_sequences(log_probs):
    """Every sequence with its probability, summed over every path: CTC as it is defined."""
    scores = {}
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        tokens = tuple(token for token, _ in groupby(path) if token)
        score = sum(log_probs[step, token] for step, token in enumerate(path))
        scores[tokens] = np.logaddexp(scores.get(tokens, -np.inf), score)
    return sorted(scores.items(), key=lambda item: -item[1])


@settings(max_examples=60)
@given(st.integers(1, 5), st.integers(2, 4), st.integers(0, 10_000), st.data())
def test_without_pruning_it_equals_brute_force(n_steps, n_tokens, seed, data):
    log_probs = random_log_probs(3, n_steps, n_tokens, seed)
    lengths = data.draw(st.lists(st.integers(0, n_steps), min_size=3, max_size=3))
    found = BeamSearch(beam_size=400)(log_probs, lengths, n_best=400)
    for candidates, clip, length in zip(found, log_probs, lengths, strict=True):
        expected = all_sequences(clip[:length])
        assert len(candidates) == len(expected)
        scores = [score for _, score in expected]
        assert [candidate.score for candidate in candidates] == pytest.approx(scores)
        scores = {candidate.tokens: candidate.score for candidate in candidates}
        assert scores == pytest.approx(dict(expected))
        assert sum(candidate.share for candidate in candidates) == pytest.approx(1)


def test_without_pruning_it_equals_flashlight():
    pytest.importorskip("flashlight.lib.text")
    from torchaudio.models.decoder import ctc_decoder

    n_steps, n_tokens = 5, 4
    log_probs = random_log_probs(50, n_steps, n_tokens).astype(np.float32)
    # Flashlight puts a token for silence at both ends: one that is never spoken.
    tokens = ["-", "a", "b", "c", "|"]
    silent = np.full((50, n_steps, 1), -1e4, dtype=np.float32)
    decoder = ctc_decoder(
        lexicon=None,
        tokens=tokens,
        beam_size=5000,
        beam_threshold=1e9,
        lm_weight=0,
        log_add=True,
        blank_token="-",
        sil_token="|",
    )
    expected = decoder(torch.from_numpy(np.concatenate([log_probs, silent], axis=2)))
    for ours, theirs in zip(BeamSearch(400)(log_probs, [n_steps] * 50), expected, strict=True):
        spoken = tuple(token for token in theirs[0].tokens.tolist() if token != len(tokens) - 1)
        assert ours[0].tokens == spoken
        assert ours[0].score == pytest.approx(theirs[0].score, abs=1e-4)


@pytest.mark.slow
def test_its_score_is_that_of_ctc():
    log_probs = random_log_probs(8, 8, 4)
    for clip, (best,) in zip(log_probs, BeamSearch(3000)(log_probs, [8] * 8), strict=True):
        exact = -torch.nn.functional.ctc_loss(
            torch.from_numpy(clip)[:, None],
            torch.tensor([best.tokens]),
            [8],
            [len(best.tokens)],
            reduction="sum",
        )
        assert best.score == pytest.approx(float(exact), abs=1e-3)
        assert best.score <= float(exact) + 1e-9  # pruning loses paths, and adds none


@given(st.integers(0, 6), st.integers(0, 1000))
def test_padding_changes_nothing(n_padding, seed):
    log_probs = random_log_probs(2, 12, 4, seed)
    noise = random_log_probs(2, n_padding, 4, seed + 1) if n_padding else log_probs[:, :0]
    padded = np.concatenate([log_probs, noise], axis=1)
    search = BeamSearch(8)
    (alone,) = search(log_probs[:1, :7], [7], n_best=3)
    assert search(padded, [7, 12 + n_padding], n_best=3)[0] == alone


def test_impossible_paths_are_not_found():
    with np.errstate(divide="ignore"):
        log_probs = np.log([[[0.0, 1.0, 0.0], [0.0, 0.5, 0.5]]])
    (found,) = BeamSearch(50)(log_probs, [2], n_best=50)
    scores = {candidate.tokens: candidate.score for candidate in found}
    assert scores == pytest.approx({(1,): np.log(0.5), (1, 2): np.log(0.5)})


def test_a_beam_of_zero():
    with pytest.raises(ConfigurationError, match="beam=0 must be 1 or more"):
        BeamSearch(0)
