import itertools
import json
import math
import time
import tracemalloc
from dataclasses import FrozenInstanceError
from functools import cache

import jiwer
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.errors import ConfigurationError
from speech_rnn.metrics import (
    Accuracy,
    AlignedPair,
    ClassFigures,
    ErrorRate,
    accuracy,
    align_words,
    area_under_roc,
    bootstrap_interval,
    character_error_rate,
    confusion_matrix,
    per_class,
    reliability,
    risk_coverage,
    sentence_error_rate,
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


def test_an_empty_reference():
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


@given(
    st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.5, 0.95, 0.999]),
)
@settings(max_examples=20)
def test_wilson_is_that_of_scipy(counts, confidence):
    theirs = scipy.stats.binomtest(*counts).proportion_ci(confidence, method="wilson")
    assert wilson_interval(*counts, confidence) == pytest.approx((theirs.low, theirs.high))


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


def test_an_unknown_label():
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


# The undefined cases, each settled, and what is refused

spaces = st.text(st.sampled_from(" \t\n\u00a0\u2003\u0085"), min_size=1, max_size=3)
words = st.lists(st.text(st.characters(categories=["L", "N", "S"]), min_size=1), max_size=5)


@given(words, st.lists(spaces, min_size=6, max_size=6))
def test_any_white_space_is_one_space(words, gaps):
    odd = gaps[0] + "".join(word + gap for word, gap in zip(words, gaps[1:], strict=False))
    plain = " ".join(words)
    for function in (word_error_rate, character_error_rate):
        assert function([odd], [plain]).errors == function([plain], [odd]).errors == 0
    assert sentence_error_rate([odd], [plain]) == 0
    assert align_words(odd, plain) == tuple(AlignedPair(word, word) for word in words)


@given(words, words)
def test_words_of_any_script_align(said, heard):
    pairs = align_words(" ".join(said), " ".join(heard))
    assert [pair.reference for pair in pairs if pair.reference is not None] == said
    assert [pair.hypothesis for pair in pairs if pair.hypothesis is not None] == heard
    rate = word_error_rate([" ".join(said)], [" ".join(heard)])
    kinds = [pair.kind for pair in pairs]
    assert kinds.count("hit") == rate.hits
    assert kinds.count("substitution") == rate.substitutions
    assert kinds.count("deletion") == rate.deletions
    assert kinds.count("insertion") == rate.insertions


def test_a_single_text_is_a_sequence_of_one():
    assert word_error_rate("go left now", "go right") == ErrorRate(1, 1, 0, 1)
    assert character_error_rate("abc", "axcd") == ErrorRate(1, 0, 1, 2)
    assert sentence_error_rate("go left", "go right") == 1.0
    with pytest.raises(ConfigurationError, match="1 references and 2 hypotheses"):
        word_error_rate("go left", ["go", "left"])


@pytest.mark.parametrize("function", [word_error_rate, character_error_rate])
@pytest.mark.parametrize(
    ("references", "hypotheses", "rate"),
    [
        ([], [], 0.0),
        ([""], [""], 0.0),
        ([" \n"], ["\t"], 0.0),
        ([""], ["a"], math.inf),
        (["", "a"], ["b", "a"], 1.0),
        (["a", ""], ["", ""], 1.0),
        (["a"], ["a b c"], None),
    ],
)
def test_rates_without_references(function, references, hypotheses, rate):
    found = function(references, hypotheses)
    if rate is not None:
        assert found.rate == rate
    assert found.reference_length == sum(len(text.strip()) for text in references)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["insertions"] >= 0


def test_a_rate_can_exceed_one():
    assert word_error_rate(["a"], ["b c d"]).rate == 3.0


@given(st.lists(st.tuples(words, words), min_size=1, max_size=4))
def test_sums_over_utterances_are_the_whole(pairs):
    texts = [(" ".join(said), " ".join(heard)) for said, heard in pairs]
    references, hypotheses = zip(*texts, strict=True)
    each = [word_error_rate(said, heard) for said, heard in texts]
    whole = word_error_rate(references, hypotheses)
    assert whole.errors == sum(rate.errors for rate in each)
    assert whole.hits == sum(rate.hits for rate in each)
    wrong = sum(rate.errors > 0 for rate in each)
    assert sentence_error_rate(references, hypotheses) == pytest.approx(wrong / len(texts))


def test_jiwer_counts_the_words_of_empty_references():
    # What the module leans on; jiwer 3 raised here.
    output = jiwer.process_words(["", "a"], ["b c", "a"])
    assert (output.insertions, output.hits) == (2, 1)


def test_nothing_to_count():
    assert math.isnan(accuracy([], []).value)
    assert accuracy([], []).to_dict()["accuracy"] is None
    assert accuracy([], []).interval == (0.0, 1.0)
    assert math.isnan(sentence_error_rate([], []))
    assert per_class([], [], ["a"]) == (ClassFigures("a", 0.0, 0.0, 0.0, 0),)
    assert confusion_matrix([], [], ["a", "b"]).tolist() == [[0, 0], [0, 0]]


def test_the_sentence_error_rate_refuses():
    with pytest.raises(ConfigurationError, match="2 references and 1 hypotheses"):
        sentence_error_rate(["a", "b"], ["a"])


def test_accuracy_by_hand():
    share = accuracy(["a", "b", "c", "d"], ["a", "b", "c", "a"])
    assert share == Accuracy(3, 4)
    assert share.value == 0.75
    assert share.interval == pytest.approx((0.300642, 0.954413), abs=1e-6)
    assert share.to_dict() == {
        "accuracy": 0.75,
        "interval": list(share.interval),
        "correct": 3,
        "total": 4,
    }


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0.5, 0.999))
def test_wilson_holds_the_share_and_mirrors(right, wrong, confidence):
    trials = right + wrong
    low, high = wilson_interval(right, trials, confidence)
    assert 0 <= low <= high <= 1
    if trials:
        assert low - 1e-12 <= right / trials <= high + 1e-12
    assert (1 - high, 1 - low) == pytest.approx(wilson_interval(wrong, trials, confidence))


def test_class_figures_by_hand():
    references, hypotheses = list("aaabbc"), list("aabbba")
    counts = confusion_matrix(references, hypotheses, list("abc"))
    assert counts.tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert counts.dtype == np.int64
    one, two, three = per_class(references, hypotheses, list("abc"))
    assert (one.precision, one.recall, one.f1, one.support) == pytest.approx(
        (2 / 3, 2 / 3, 2 / 3, 3)
    )
    assert (two.precision, two.recall, two.f1, two.support) == pytest.approx((2 / 3, 1.0, 0.8, 2))
    assert three == ClassFigures("c", 0.0, 0.0, 0.0, 1)  # never answered


def test_every_wrong_label_and_its_nearest_are_named():
    with pytest.raises(ConfigurationError) as caught:
        confusion_matrix(["yess", "left"], ["qqq", "lefft"], ["yes", "left"])
    message = "texts ['lefft', 'qqq', 'yess'] are not among the labels; did you mean 'left', 'yes'?"
    assert str(caught.value) == message
    with pytest.raises(
        ConfigurationError, match=r"\['zzz'\] are not among the labels; choose one of yes$"
    ):
        per_class(["zzz"], ["yes"], ["yes"])
    with pytest.raises(ConfigurationError, match="1 references and 2 hypotheses"):
        confusion_matrix(["a"], ["a", "a"], ["a"])


def resampled(errors, lengths, n_resamples, seed):
    """The bootstrap as it is defined: draw utterances, one resample after the other."""
    random = np.random.default_rng(seed)
    rates = []
    for _ in range(n_resamples):
        drawn = random.integers(0, len(errors), len(errors))
        if lengths[drawn].sum():
            rates.append(errors[drawn].sum() / lengths[drawn].sum())
    return np.quantile(rates, [0.025, 0.975])


@pytest.mark.parametrize("empty", [0.0, 0.3])
def test_the_bootstrap_is_the_plain_one(empty):
    random = np.random.default_rng(3)
    lengths = random.integers(1, 12, 150) * (random.random(150) >= empty)
    errors = random.binomial(lengths, 0.2) + (random.random(150) < 0.1)
    plain = resampled(errors, lengths, 20_000, seed=1)
    ours = bootstrap_interval(errors, lengths, n_resamples=20_000)
    assert ours == pytest.approx(plain, abs=0.002)


def test_the_bootstrap_of_many_is_quick():
    lengths = np.random.default_rng(0).integers(1, 40, 100_000)
    errors = np.random.default_rng(1).binomial(lengths, 0.1)
    start = time.process_time()
    low, high = bootstrap_interval(errors, lengths)
    assert low < errors.sum() / lengths.sum() < high
    assert time.process_time() - start < 3


def test_the_bootstrap_follows_its_settings():
    errors, lengths = [0, 1, 2, 0, 1], [3, 3, 3, 2, 5]
    wide, narrow = (bootstrap_interval(errors, lengths, confidence=c) for c in (0.99, 0.5))
    assert wide[0] <= narrow[0] < narrow[1] <= wide[1]
    assert bootstrap_interval(errors, lengths, seed=1) == bootstrap_interval(
        errors, lengths, seed=1
    )
    assert bootstrap_interval([], []) == (0.0, 0.0)
    assert bootstrap_interval([2], [4]) == (0.5, 0.5)
    low, high = bootstrap_interval([3, *[0] * 9], [0, *[1] * 9])  # insertions into silence
    assert low == 0 < high < math.inf


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (([1, 2], [3]), {}, r"errors of shape=\(2,\) and lengths of shape=\(1,\) must be counts"),
        (([-1], [3]), {}, "must be counts"),
        (([[1]], [[3]]), {}, r"errors of shape=\(1, 1\)"),
        (([1], [3]), {"n_resamples": 0}, "n_resamples=0 must be above 0"),
        (([1], [3]), {"confidence": 1}, "confidence=1 must lie between 0 and 1"),
    ],
)
def test_the_bootstrap_refuses(arguments, settings, message):
    with pytest.raises(ConfigurationError, match=message):
        bootstrap_interval(*arguments, **settings)


def test_results_are_frozen():
    for result in (Accuracy(1, 2), ErrorRate(0, 0, 0, 1), AlignedPair("a", None)):
        with pytest.raises(FrozenInstanceError):
            result.hits = 3


@given(st.lists(st.integers(0, 5), max_size=8), st.lists(st.integers(0, 5), max_size=8))
def test_area_under_roc_is_the_share_of_pairs(higher, lower):
    found = area_under_roc(higher, lower)
    if not higher or not lower or len({*higher, *lower}) == 1:
        assert found is None
        return
    pairs = [(one > other) + (one == other) / 2 for one in higher for other in lower]
    assert found == pytest.approx(sum(pairs) / len(pairs))


def test_area_under_roc_of_many_takes_little_memory():
    random = np.random.default_rng(0)
    words, others = random.normal(1, 1, 12_000), random.normal(0, 1, 4_000)
    area_under_roc(words[:9], others[:9])  # what is imported is no part of it
    tracemalloc.start()
    assert area_under_roc(words, others) == pytest.approx(0.7602, abs=0.01)  # normal(1/√2)
    assert tracemalloc.get_traced_memory()[1] < 2e7
    tracemalloc.stop()


answers = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30)


@given(answers, st.integers(1, 20))
def test_calibration_error_is_its_definition(rows, n_bins):
    found = reliability(*zip(*rows, strict=True), n_bins)
    error = 0.0
    for bin_number in range(n_bins):
        low, high = bin_number / n_bins, (bin_number + 1) / n_bins
        members = [row for row in rows if low < row[0] <= high or (row[0] == 0 and bin_number == 0)]
        if members:
            said, right = (np.mean([row[part] for row in members]) for part in (0, 1))
            error += len(members) / len(rows) * abs(said - right)
            assert found.accuracies[bin_number] == pytest.approx(right)
        else:
            assert found.accuracies[bin_number] is None
    assert found.expected_calibration_error == pytest.approx(error)
    assert sum(found.counts) == len(rows)


def test_calibration_error_by_hand():
    found = reliability([0.9, 0.9, 0.6, 0.6], [True, True, True, False], 5)
    assert found.expected_calibration_error == pytest.approx((2 * 0.1 + 2 * 0.1) / 4)
    assert json.loads(json.dumps(found.to_dict()))["counts"] == [0, 0, 2, 0, 2]
    with pytest.raises(ConfigurationError, match="n_bins=0"):
        reliability([0.5], [True], 0)


@given(answers)
def test_risk_is_that_of_the_surest(rows):
    confidences, right = zip(*rows, strict=True)
    found = risk_coverage(confidences, right)
    ranked = [hit for _, hit in sorted(rows, key=lambda row: -row[0])]
    for number, (coverage, risk) in enumerate(zip(found.coverage, found.risk, strict=True), 1):
        assert coverage == pytest.approx(number / len(rows))
        assert risk == pytest.approx(1 - sum(ranked[:number]) / number)
    assert found.area == pytest.approx(np.mean(found.risk))
