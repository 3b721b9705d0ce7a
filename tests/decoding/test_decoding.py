import itertools
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.decoding.decoder import Decoder
from speech_rnn.decoding.grammar import Grammar
from speech_rnn.decoding.greedy import best_path, classify, greedy_ctc, greedy_path
from speech_rnn.errors import ConfigurationError
from speech_rnn.vocabulary import Vocabulary
from tests.decoding.test_beam import random_log_probs

WORDS = Vocabulary.of(["left", "stop"], "words")
ONE_WORD = Grammar("<word> = left | stop;")
LETTERS = Vocabulary.of(["go on"], "characters")  # blank, space, g, n, o


def path_to_log_probs(path, n_tokens, certainty=0.9):
    probs = np.full((len(path), n_tokens), (1 - certainty) / (n_tokens - 1), dtype=np.float32)
    probs[np.arange(len(path)), path] = certainty
    return np.log(probs)


def test_the_most_probable_class_spans_the_clip():
    vocabulary = Vocabulary.of(["yes", "no"])
    hypothesis = classify(np.log(np.array([0.25, 0.75], np.float32)), vocabulary, 0.8)
    (word,) = hypothesis.words
    assert (word.word, word.start, word.end) == ("no", 0.0, 0.8)
    assert hypothesis.confidence == pytest.approx(0.75)
    assert hypothesis.label == hypothesis.text == "no"


@pytest.mark.parametrize(("index", "reason"), [(0, "silence"), (1, "unknown")])
def test_a_class_without_a_word_gives_the_reason(index, reason):
    vocabulary = Vocabulary.of(["_silence_", "_unknown_", "yes"])
    hypothesis = classify(path_to_log_probs([index], 3)[0], vocabulary, 1.0)
    assert hypothesis.text == ""
    assert hypothesis.reason == reason
    assert hypothesis.label == f"_{reason}_"
    assert hypothesis.to_dict()["reason"] == reason


def test_repeats_merge_and_blanks_part():
    path = [0, 1, 1, 0, 1, 2, 2, 2, 0]
    hypothesis = greedy_ctc(path_to_log_probs(path, 3), WORDS, 0.1, 0.85)
    assert hypothesis.text == "left left stop"
    assert [(word.start, word.end) for word in hypothesis.words] == [
        pytest.approx((0.1, 0.3)),
        pytest.approx((0.4, 0.5)),
        pytest.approx((0.5, 0.8)),
    ]


def test_no_word_ends_after_the_clip():
    assert greedy_ctc(path_to_log_probs([1, 1], 3), WORDS, 0.1, 0.15).words[0].end == 0.15


def test_characters_become_words():
    path = [0, 2, 4, 0, 1, 4, 3]  # g o, space, o n
    hypothesis = greedy_ctc(path_to_log_probs(path, len(LETTERS)), LETTERS, 0.1, 1.0)
    assert hypothesis.text == "go on"
    assert hypothesis.words[0].start == pytest.approx(0.1)
    assert hypothesis.words[1].end == pytest.approx(0.7)


@pytest.mark.parametrize("path", [[], [0, 0, 0]])
def test_only_blanks_are_silence(path):
    hypothesis = greedy_ctc(path_to_log_probs(path, 3), WORDS, 0.1, 0.3)
    assert hypothesis.words == ()
    assert hypothesis.reason == "silence"
    assert hypothesis.confidence == pytest.approx(0.9 if path else 1.0)


def test_a_hypothesis_is_as_certain_as_its_least_certain_word():
    log_probs = np.log(np.array([[0.1, 0.9, 0], [0.8, 0.2, 0], [0.1, 0.3, 0.6]]) + 1e-9)
    hypothesis = greedy_ctc(log_probs.astype(np.float32), WORDS, 0.1, 0.3)
    assert [word.confidence for word in hypothesis.words] == pytest.approx([0.9, 0.6])
    assert hypothesis.confidence == pytest.approx(0.6)


def collapse(path):
    """The CTC map as its paper defines it: remove repeats, then blanks."""
    merged = [token for token, last in zip(path, [None, *path]) if token != last]  # noqa: B905
    return [token for token in merged if token != 0]


@given(st.lists(st.integers(0, 2), max_size=12))
def test_the_path_collapses_as_ctc_defines_it(path):
    assert greedy_path(path) == collapse(path)
    hypothesis = greedy_ctc(path_to_log_probs(path, 3), WORDS, 0.1, 10.0)
    assert [word.word for word in hypothesis.words] == [WORDS.tokens[i] for i in collapse(path)]


@pytest.mark.parametrize("vocabulary", [WORDS, LETTERS])
def test_a_certain_path_is_the_same_for_every_decoder(vocabulary):
    path = [0, 2, 4, 0, 1, 4, 3] if vocabulary is LETTERS else [0, 1, 1, 0, 1, 2, 0]
    log_probs = path_to_log_probs(path, len(vocabulary), certainty=0.999)[None]
    greedy, beam = (
        decoder(log_probs, [len(path)], vocabulary, step_seconds=0.1, durations=[0.65])[0]
        for decoder in (Decoder(), Decoder(beam_size=20))
    )
    assert greedy.text == beam.text != ""
    times = [[(word.start, word.end) for word in answer.words] for answer in (greedy, beam)]
    assert times[0] == times[1]
    assert beam.confidence == pytest.approx(0.999 ** len(path), abs=0.01)


def test_a_beam_sums_the_paths_that_greedy_search_does_not():
    # The best path says nothing (0.36), but two thirds of all paths say "left".
    log_probs = np.log(np.array([[[0.6, 0.4, 1e-9], [0.6, 0.4, 1e-9]]], dtype=np.float32))
    greedy, beam = (
        decoder(log_probs, [2], WORDS, step_seconds=0.1, durations=[0.2])[0]
        for decoder in (Decoder(), Decoder(beam_size=5, n_best=2))
    )
    assert (greedy.text, beam.text) == ("", "left")
    assert beam.confidence == pytest.approx(0.64)
    (silence,) = beam.alternatives
    assert (silence.reason, silence.confidence) == ("silence", pytest.approx(0.36))


def test_spaces_make_no_second_answer():
    log_probs = path_to_log_probs([2, 4, 1, 4, 3], len(LETTERS), 0.6)[None]
    decoder = Decoder(beam_size=50, n_best=10)
    (answer,) = decoder(log_probs, [5], LETTERS, step_seconds=0.1, durations=[0.5])
    texts = [answer.text, *(other.text for other in answer.alternatives)]
    assert len(texts) == len(set(texts)) == 10


def test_a_grammar_allows_its_sentences_alone():
    log_probs = path_to_log_probs([1, 1, 0, 2], 3, certainty=0.8)[None]  # left stop

    def decode(**settings):
        decoder = Decoder(grammar=ONE_WORD, **settings)
        return decoder(log_probs, [4], WORDS, step_seconds=0.1, durations=[0.4])[0]

    answer = decode()
    assert answer.text == "left"
    assert answer.confidence == pytest.approx(0.1 / 0.8)  # one step of the free path is given up
    (word,) = answer.words
    assert (word.start, word.end) == (0.0, pytest.approx(0.2))
    assert decode(reject_below=0.12).text == "left"
    rejected = decode(reject_below=0.13)
    assert (rejected.text, rejected.reason) == ("", "unknown")


def test_an_allowed_sentence_has_the_confidence_of_the_free_path():
    log_probs = path_to_log_probs([0, 1, 0], 3)[None]
    decoder = Decoder(grammar=ONE_WORD, reject_below=1.0)
    (answer,) = decoder(log_probs, [3], WORDS, step_seconds=0.1, durations=[0.3])
    assert (answer.text, answer.confidence) == ("left", pytest.approx(1.0))


def test_a_clip_too_short_for_the_grammar_is_unknown():
    decoder = Decoder(grammar=Grammar("<two> = left left;"))
    log_probs = path_to_log_probs([1, 1], 3)[None]
    (answer,) = decoder(log_probs, [2], WORDS, step_seconds=0.1, durations=[0.2])
    assert (answer.text, answer.reason, answer.confidence) == ("", "unknown", 0.0)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"beam_size": 0}, "beam=0 must be 1 or more"),
        ({"n_best": 0}, "n_best=0 must be 1 or more"),
        ({"beam_size": 2, "n_best": 3}, "n_best=3 is more than beam=2 holds"),
        ({"beam_size": 2, "grammar": ONE_WORD}, "needs no beam; leave it out"),
        ({"reject_below": 1.5}, "reject_below=1.5 must lie in"),
    ],
)
def test_wrong_choices(choices, message):
    with pytest.raises(ConfigurationError, match=message):
        Decoder(**choices)


@settings(max_examples=80)
@given(st.integers(1, 5), st.integers(2, 3), st.floats(-3, 1), st.integers(0, 1000))
def test_the_best_path_with_a_bonus_equals_brute_force(n_steps, n_tokens, bonus, seed):
    log_probs = random_log_probs(1, n_steps, n_tokens, seed)[0]

    def score(path):
        runs = [token for token, _ in groupby(path) if token]
        return sum(log_probs[range(n_steps), path]) + bonus * len(runs)

    best = max(itertools.product(range(n_tokens), repeat=n_steps), key=lambda p: score(list(p)))
    assert score(best_path(log_probs, bonus)) == pytest.approx(score(list(best)))


def test_a_bonus_below_zero_takes_short_tokens_away():
    log_probs = np.log(np.full((6, 3), 0.1))
    log_probs[[0, 1, 3, 4], 1] = np.log(0.8)
    log_probs[2, 2] = np.log(0.8)
    log_probs[5, 0] = np.log(0.8)
    given = {"step_seconds": 0.03, "durations": [0.18]}
    vocabulary = Vocabulary.of(["left", "stop"], "words")
    (plain,) = Decoder()(log_probs[None], [6], vocabulary, **given)
    (own,) = Decoder()(log_probs[None], [6], vocabulary, **given, token_bonus=-3)
    (said,) = Decoder(token_bonus=0)(log_probs[None], [6], vocabulary, **given, token_bonus=-3)
    assert plain.text == said.text == "left stop left"
    assert own.text == "left"
    assert (own.words[0].start, own.words[0].end) == pytest.approx((0.0, 0.15))
