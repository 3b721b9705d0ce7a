import itertools
from functools import cache

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.errors import ConfigurationError
from speech_rnn.metrics import (
    AlignedPair,
    ErrorRate,
    accuracy,
    align_words,
    bootstrap_interval,
    character_error_rate,
    confusion_matrix,
    per_class,
    wilson_interval,
    word_error_rate,
)

texts = st.lists(st.sampled_from("abcd"), max_size=6).map(" ".join)
pairs = st.lists(st.tuples(texts, texts), min_size=1, max_size=5)


def levenshtein(left, right):
    """The recurrence as it is written."""

    @cache
    def distance(i, j):
        if not i or not j:
            return i + j
        swap = distance(i - 1, j - 1) + (left[i - 1] != right[j - 1])
        return min(swap, distance(i - 1, j) + 1, distance(i, j - 1) + 1)

    return distance(len(left), len(right))


@given(pairs)
def test_word_errors_are_the_least_edits(given_pairs):
    references, hypotheses = zip(*given_pairs, strict=True)
    rate = word_error_rate(references, hypotheses)
    expected = [levenshtein(r.split(), h.split()) for r, h in given_pairs]
    assert rate.errors == sum(expected)
    assert rate.reference_length == sum(len(r.split()) for r in references)


@given(pairs.filter(lambda given_pairs: all(reference for reference, _ in given_pairs)))
def test_rates_are_jiwers(given_pairs):
    references, hypotheses = map(list, zip(*given_pairs, strict=True))
    words = jiwer.process_words(references, hypotheses)
    ours = word_error_rate(references, hypotheses)
    assert ours.rate == pytest.approx(words.wer)
    assert (ours.substitutions, ours.deletions, ours.insertions, ours.hits) == (
        words.substitutions,
        words.deletions,
        words.insertions,
        words.hits,
    )
    assert character_error_rate(references, hypotheses).rate == pytest.approx(
        jiwer.cer(references, hypotheses)
    )


@given(texts, texts)
def test_an_alignment_spells_both_texts(reference, hypothesis):
    pairs = align_words(reference, hypothesis)
    assert " ".join(pair.reference for pair in pairs if pair.reference) == reference
    assert " ".join(pair.hypothesis for pair in pairs if pair.hypothesis) == hypothesis
    assert sum(pair.kind != "hit" for pair in pairs) == levenshtein(
        reference.split(), hypothesis.split()
    )


def test_an_alignment_by_hand():
    assert align_words("stop seven left", "stop left left go") == (
        AlignedPair("stop", "stop"),
        AlignedPair("seven", "left"),
        AlignedPair("left", "left"),
        AlignedPair(None, "go"),
    )
    assert [pair.kind for pair in align_words("a b", "a")] == ["hit", "deletion"]


def test_what_an_empty_reference_means():
    assert word_error_rate([""], ["yes no"]) == ErrorRate(0, 0, 2, 0)
    assert word_error_rate([""], ["yes"]).rate == float("inf")
    assert word_error_rate([""], ["yes"]).to_dict()["rate"] is None
    assert word_error_rate([""], [""]).rate == 0.0
    assert word_error_rate(["yes", ""], ["", "no"]) == ErrorRate(0, 1, 1, 0)
    assert align_words("", "go") == (AlignedPair(None, "go"),)


def test_white_space_does_not_count():
    assert word_error_rate(["  go \n on "], ["go on"]).errors == 0
    assert character_error_rate(["  go \n on "], ["go on"]).errors == 0


def test_wilson_by_hand():
    low, high = wilson_interval(4817, 4890)  # 98.5 % of the official test clips
    assert (high - low) / 2 == pytest.approx(0.0034, abs=5e-5)
    assert wilson_interval(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson_interval(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson_interval(0, 0) == (0.0, 1.0)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_solves_its_equation(counts):
    successes, trials = counts
    share, z = successes / trials, 1.959963984540054
    for bound in wilson_interval(successes, trials):
        assert (share - bound) ** 2 == pytest.approx(z**2 * bound * (1 - bound) / trials, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((3, 2), "successes=3 must lie in 0 to trials=2"), ((1, 2, 1.5), "confidence=1.5 must lie")],
)
def test_wilson_refuses(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        wilson_interval(*arguments)


def test_the_bootstrap_covers_the_truth():
    random = np.random.default_rng(0)
    covered = 0
    for trial in range(100):
        errors = random.binomial(5, 0.1, 200)
        low, high = bootstrap_interval(errors, np.full(200, 5), seed=trial, n_resamples=400)
        covered += low <= 0.1 <= high
    assert covered >= 88


def test_the_bootstrap_is_seeded_and_settled():
    assert bootstrap_interval([1, 0, 2], [3, 3, 3]) == bootstrap_interval([1, 0, 2], [3, 3, 3])
    assert bootstrap_interval([0, 0], [2, 2]) == (0.0, 0.0)
    assert bootstrap_interval([1], [0]) == (0.0, 0.0)


labels = st.lists(st.sampled_from(["yes", "no", "go"]), min_size=1, max_size=30)


@given(labels.flatmap(lambda r: st.tuples(st.just(r), st.permutations(r))))
def test_class_figures_follow_the_confusion(both):
    references, hypotheses = both
    names = ["go", "no", "yes"]
    counts = confusion_matrix(references, hypotheses, names)
    assert counts.sum() == len(references)
    assert np.trace(counts) == accuracy(references, hypotheses).correct
    for place, figures in enumerate(per_class(references, hypotheses, names)):
        assert figures.support == counts[place].sum() == references.count(figures.label)
        if figures.support:
            assert figures.recall == pytest.approx(counts[place, place] / figures.support)
        if figures.precision and figures.recall:
            harmonic = 2 / (1 / figures.precision + 1 / figures.recall)
            assert figures.f1 == pytest.approx(harmonic)


def test_a_label_that_is_none():
    with pytest.raises(ConfigurationError, match=r"texts \['yess'\] .* did you mean 'yes'"):
        confusion_matrix(["yes"], ["yess"], ["yes", "no"])


@pytest.mark.parametrize("function", [accuracy, word_error_rate, character_error_rate])
def test_one_hypothesis_for_each_reference(function):
    with pytest.raises(ConfigurationError, match="2 references and 1 hypotheses"):
        function(["a", "b"], ["a"])


def test_every_result_is_plain():
    values = itertools.chain(
        accuracy(["a"], ["b"]).to_dict().values(), word_error_rate(["a"], ["b"]).to_dict().values()
    )
    assert all(isinstance(value, (int, float, list)) for value in values)
