from itertools import pairwise

import numpy as np
import pytest
import torch
import torchaudio
from hypothesis import assume, given
from hypothesis import strategies as st

from speech_rnn.decoding.alignment import Span, spell
from speech_rnn.decoding.viterbi import align
from speech_rnn.errors import DataError
from speech_rnn.vocabulary import Vocabulary
from tests.decoding.test_beam import random_log_probs


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(
    st.integers(1, 25),
    st.lists(st.integers(1, 4), min_size=1, max_size=8),
    st.integers(0, 10_000),
)
def test_it_equals_torchaudio(n_steps, tokens, seed):
    n_repeats = sum(a == b for a, b in pairwise(tokens))
    assume(n_steps >= len(tokens) + n_repeats)
    log_probs = random_log_probs(1, n_steps, 5, seed)
    expected, _ = torchaudio.functional.forced_align(
        torch.from_numpy(log_probs), torch.tensor([tokens]), blank=0
    )
    path = np.zeros(n_steps, dtype=int)
    spans = align(log_probs[0], tokens)
    for span in spans:
        path[span.start : span.stop] = span.token
    assert path.tolist() == expected[0].tolist()
    assert [span.token for span in spans] == tokens
    for span in spans:
        posteriors = np.exp(log_probs[0, span.start : span.stop, span.token])
        assert span.confidence == pytest.approx(posteriors.max())


def test_no_tokens_have_no_spans():
    assert align(random_log_probs(1, 3, 2)[0], []) == []
    assert align(random_log_probs(1, 1, 2)[0][:0], []) == []


@pytest.mark.parametrize(("tokens", "needed"), [([1, 2, 3], 3), ([1, 1], 3)])
def test_a_text_longer_than_its_frames(tokens, needed):
    with pytest.raises(DataError, match=f"need {needed} steps .* but there are 2; the clip is too"):
        align(random_log_probs(1, 2, 4)[0], tokens)


def test_words_have_times_in_seconds_and_end_with_the_clip():
    words = Vocabulary.of(["left", "stop"], "words")
    left, stop = spell([Span(1, 1, 3, 0.9), Span(2, 5, 9, 0.5)], words, 0.1, 0.85)
    assert (left.word, left.start, left.confidence) == ("left", 0.1, 0.9)
    assert (left.end, stop.end) == (pytest.approx(0.3), 0.85)


def test_characters_join_between_spaces():
    letters = Vocabulary.of(["go on"], "characters")  # blank, space, g, n, o
    ids = [1, *letters.encode("go on"), 1]
    spans = [Span(token, 2 * place, 2 * place + 1, 0.5) for place, token in enumerate(ids)]
    go, on = spell(spans, letters, 0.1, 10.0)
    assert (go.word, go.start, go.end) == ("go", pytest.approx(0.2), pytest.approx(0.5))
    assert (on.word, on.start, on.end) == ("on", pytest.approx(0.8), pytest.approx(1.1))
