"""Scoring beyond accuracy: texts against jiwer, sequences, times, and two systems compared."""

import itertools
import json

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.data.corpus import Composition, Part, Utterance
from speech_rnn.decoding.hypothesis import Hypothesis, Word
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.evaluation.comparison import compare
from speech_rnn.evaluation.results import OTHER, Row
from speech_rnn.evaluation.scoring import evaluate_texts, score
from speech_rnn.metrics import paired_difference
from speech_rnn.reporting.terminal import print_comparison, print_evaluation
from speech_rnn.vocabulary import Vocabulary
from tests.commands import speech_rnn

WORDS = ("left", "right", "go", "smart mirror")
VOCABULARY = Vocabulary.of(WORDS, "words")
texts = st.lists(st.sampled_from(["left", "right", "go"]), max_size=5).map(" ".join)


def row_of(said, heard, speaker="", confidences=None):
    """A row whose words are each one second long, a tenth late."""
    parts = tuple(Part("x.wav", word, float(place), 0.0, 1.0) for place, word in enumerate(said))
    confidences = confidences or [0.5] * len(heard)
    words = tuple(
        Word(word, place + 0.1, place + 1.02, confidence)
        for place, (word, confidence) in enumerate(zip(heard, confidences, strict=True))
    )
    utterance = Utterance(
        " ".join(said), " ".join(said), speaker, "test", composition=Composition(parts)
    )
    answer = Hypothesis(words, 0.5, None if words else "silence")
    return Row(utterance, utterance.text, answer)


def scored(*rows):
    return score(rows, VOCABULARY)


@given(st.lists(st.tuples(texts.filter(bool), texts), min_size=1, max_size=6))
def test_texts_score_as_in_jiwer(tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp("texts")
    references, hypotheses = (list(side) for side in zip(*pairs, strict=True))
    for name, lines in (("r", references), ("h", hypotheses)):
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    evaluation = evaluate_texts(folder / "r", folder / "h")
    expected = jiwer.process_words(references, hypotheses)
    assert evaluation.words.rate == pytest.approx(expected.wer)
    assert evaluation.words.substitutions == expected.substitutions
    assert evaluation.words.deletions == expected.deletions
    assert evaluation.words.insertions == expected.insertions
    assert evaluation.characters.rate == pytest.approx(jiwer.cer(references, hypotheses))
    wrong = sum(one != other for one, other in pairs)
    assert evaluation.summary()["sentence_error_rate"] == pytest.approx(wrong / len(pairs))


def test_texts_from_the_command_line(tmp_path):
    (tmp_path / "r.txt").write_text("left left go\ngo\n")
    (tmp_path / "h.txt").write_text("left go\ngo\n")
    arguments = ("--references", "r.txt", "--hypotheses", "h.txt")
    for module in (True, False):
        result = speech_rnn("evaluate", *arguments, cwd=tmp_path, module=module)
        assert result.returncode == 0, result.stderr
        assert (
            "word error rate 25.00 % (0 substituted, 1 deleted, 0 inserted of 4;" in result.stdout
        )
        assert "  spoken     left left go\n  recognised      *\n" in result.stdout
        assert "sentence error rate 50.00 % (1 of 2)" in result.stdout
    (tmp_path / "h.txt").write_text("left go\n")
    result = speech_rnn("evaluate", *arguments, cwd=tmp_path, module=True)
    assert result.returncode == 1
    assert "references='r.txt' has 2 lines and hypotheses='h.txt' 1" in result.stderr


def test_texts_are_no_markup_and_have_no_confidences(tmp_path):
    (tmp_path / "r").write_text("[/noise]\n[noise]\n:dog:\n")
    (tmp_path / "h").write_text("[noise]\n[noise]\n:dog:\n")
    result = speech_rnn("evaluate", "--references", "r", "--hypotheses", "h", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for text in ("[/noise]", "[noise]", ":dog:"):
        assert text in result.stdout
    assert "accuracy 66.67 %" in result.stdout
    assert "confidence" not in result.stdout
    evaluation = evaluate_texts(tmp_path / "r", tmp_path / "h")
    assert evaluation.reliability is None
    assert evaluation.summary()["calibration_error"] is None
    assert (evaluation.word_figures.n_right, evaluation.word_figures.n_wrong) == (0, 0)
    evaluation.write(tmp_path)
    written = (tmp_path / "hypotheses.jsonl").read_text() + (
        tmp_path / "evaluation.json"
    ).read_text()
    assert "NaN" not in written
    assert '"confidence"' not in written


def test_a_line_of_a_text_ends_where_lines_end(tmp_path):
    (tmp_path / "r").write_text("go\u2028left\nright\x0con\n", encoding="utf-8")
    (tmp_path / "h").write_text("go left\r\nright on", encoding="utf-8")
    assert evaluate_texts(tmp_path / "r", tmp_path / "h").accuracy.correct == 2


def test_an_empty_reference_is_reported(tmp_path):
    (tmp_path / "r").write_text("left\n\ngo\n")
    (tmp_path / "h").write_text("left\n\ngo\n")
    with pytest.raises(DataError, match="line 2 is empty; leave it out"):
        evaluate_texts(tmp_path / "r", tmp_path / "h")
    (tmp_path / "r").write_text("left\n_silence_\ngo\n")
    assert evaluate_texts(tmp_path / "r", tmp_path / "h").accuracy.correct == 3
    with pytest.raises(DataError, match="cannot be read"):
        evaluate_texts(tmp_path / "missing", tmp_path / "h")


def test_sequences_have_tables_by_word_and_by_length():
    evaluation = scored(
        row_of(["left", "go"], ["left", "go"], "anna"),
        row_of(["left", "smart mirror", "go"], ["left", "go"], "anna"),
        row_of(["right"], ["left"], "bert"),
        row_of(["smart mirror"], ["smart mirror", "go"], "bert"),
    )
    assert {n: group.accuracy.total for n, group in evaluation.per_length.items()} == {
        1: 2,
        2: 1,
        3: 1,
    }
    assert evaluation.per_length[3].words.deletions == 2  # "smart mirror" is two words
    assert evaluation.per_speaker["anna"].words.rate == pytest.approx(2 / 6)
    assert evaluation.labels == ("left", "right", "go", "smart mirror", OTHER)
    counts = dict(zip(evaluation.labels, evaluation.confusion, strict=False))
    assert counts["smart mirror"] == (0, 0, 0, 1, 1)
    assert counts["right"] == (1, 0, 0, 0, 0)
    assert [row.recognised for row in evaluation.mistaken] == ["left go", "left", "smart mirror go"]


def test_a_word_with_an_underscore_keeps_it():
    evaluation = scored(row_of(["turn_on", "go"], ["turn_on", "turn_on"]))
    assert evaluation.labels == ("go", "turn_on")
    assert evaluation.confusion == ((0, 1), (0, 1))


def test_times_are_those_of_right_words():
    evaluation = scored(
        row_of(["left", "go"], ["left", "go"]), row_of(["right", "go"], ["left", "go"])
    )
    assert evaluation.word_figures.n_timed == 3
    assert evaluation.word_figures.start_error == pytest.approx(0.1)
    assert evaluation.word_figures.end_error == pytest.approx(0.02)


def test_confidences_that_separate_right_from_wrong():
    rows = [row_of(["left", "go"], ["left", "left"], confidences=[0.9, 0.4])]
    assert scored(*rows).word_figures.confidence_auc == 1.0
    rows.append(row_of(["go", "go"], ["go", "left"], confidences=[0.3, 0.4]))
    # Right: 0.9 and 0.3; wrong: 0.4 twice.
    assert scored(*rows).word_figures.confidence_auc == pytest.approx(0.5)
    assert scored(row_of(["go"], ["go"])).word_figures.confidence_auc is None


def test_printed_output(capsys):
    print_evaluation(
        scored(
            *(row_of(["left", "go"], ["left"], f"speaker{n}", [0.1 * n]) for n in range(1, 8)),
            *(row_of(["left", "go"], ["go", "go"], "x", [0.2, 0.9]) for _ in range(8)),
        )
    )
    printed = capsys.readouterr().out
    assert printed.count("  spoken ") == 10
    assert "and 5 more that differ" in printed
    assert "  spoken     left go\n  recognised      *" in printed
    for text in (
        "by number of words",
        "by speaker",
        "word times 100 ms (median error",
        "word confidence",
    ):
        assert text in printed


def exact_p_value(difference):
    """Over every way of swapping the two systems."""
    signs = itertools.product((1, -1), repeat=len(difference))
    sums = np.array([abs(np.dot(sign, difference)) for sign in signs])
    return np.mean(sums >= abs(np.sum(difference)))


@pytest.mark.parametrize("seed", range(5))
def test_the_paired_test_is_the_permutation_test(seed):
    random = np.random.default_rng(seed)
    first, second = random.integers(0, 3, (2, 10))
    lengths = random.integers(3, 7, 10)
    (low, high), p_value = paired_difference(first, second, lengths, n_resamples=40_000)
    assert p_value == pytest.approx(exact_p_value(first - second), abs=0.01)
    difference = (first - second).sum() / lengths.sum()
    assert low <= difference <= high
    drawn = [random.integers(0, 10, 10) for _ in range(4000)]
    rates = [(first - second)[draw].sum() / lengths[draw].sum() for draw in drawn]
    assert [low, high] == pytest.approx(np.quantile(rates, [0.025, 0.975]), abs=0.03)


def test_two_systems_on_the_same_utterances(capsys):
    good = scored(*(row_of(["left", "go"], ["left", "go"]) for _ in range(30)))
    bad = scored(*(row_of(["left", "go"], ["left"]) for _ in range(30)))
    comparison = compare(good, bad)
    assert (comparison.first, comparison.second) == (0.0, 0.5)
    assert comparison.interval == (-0.5, -0.5)
    assert comparison.p_value < 0.001
    print_comparison(comparison)
    assert "difference -50.00" in capsys.readouterr().out
    assert json.dumps(comparison.to_dict())
    with pytest.raises(DataError, match="have different utterances"):
        compare(good, scored(row_of(["go"], ["go"])))


def test_wrong_use_of_the_paired_test():
    with pytest.raises(ConfigurationError, match="give one of each"):
        paired_difference([1], [1, 2], [3])
    with pytest.raises(ConfigurationError, match="confidence=2"):
        paired_difference([1], [1], [3], confidence=2)
    assert paired_difference([], [], []) == ((0.0, 0.0), 1.0)
