import json

import numpy as np
import pytest

from speech_rnn.data.corpus import Utterance
from speech_rnn.data.manifest import read_manifest
from speech_rnn.decoding.confidence import Calibration
from speech_rnn.errors import DataError
from speech_rnn.evaluation.results import OTHER
from speech_rnn.evaluation.scoring import evaluate
from speech_rnn.recognizer import Recognizer
from speech_rnn.reporting.terminal import print_evaluation
from speech_rnn.vocabulary import Vocabulary
from tests.test_recognizer import untrained
from tests.tones import write_corpus


@pytest.fixture(scope="module")
def utterances(tmp_path_factory):
    return read_manifest(write_corpus(tmp_path_factory.mktemp("tones"), clips=(1, 1, 5)))


def test_figures_are_those_of_single_clips(utterances):
    recognizer = untrained()
    evaluation = evaluate(recognizer, utterances, batch_size=4)
    answers = [recognizer.transcribe(row.audio).text for row in utterances]
    correct = [answer == row.text for answer, row in zip(answers, utterances, strict=True)]
    assert [row.is_correct for row in evaluation.rows] == correct
    assert evaluation.accuracy.correct == sum(correct)
    assert evaluation.words.errors == len(correct) - sum(correct)
    assert np.sum(evaluation.confusion) == len(utterances)
    assert np.trace(np.array(evaluation.confusion)) == sum(correct)
    assert sum(group.accuracy.total for group in evaluation.per_speaker.values()) == len(utterances)


def test_a_file_that_fails_is_listed_and_not_counted(utterances, tmp_path):
    missing = Utterance(str(tmp_path / "missing.wav"), "low")
    evaluation = evaluate(untrained(), [*utterances[:3], missing, *utterances[3:]])
    assert [row.utterance for row in evaluation.failures] == [missing]
    assert evaluation.rows[3].to_dict()["error"]
    assert evaluation.accuracy.total == len(utterances)
    evaluation.write(tmp_path)
    lines = (tmp_path / "hypotheses.jsonl").read_text().splitlines()
    assert len(lines) == len(utterances) + 1
    assert "missing.wav" in json.loads(lines[3])["error"]
    figures = json.loads((tmp_path / "evaluation.json").read_text())
    assert figures["n_failures"] == 1


def test_an_answer_outside_of_the_references_has_its_own_column(utterances):
    never_right = [Utterance(row.audio, "zebra") for row in utterances]
    evaluation = evaluate(untrained(), never_right)
    assert evaluation.labels == ("zebra", OTHER)
    assert evaluation.confusion == ((0, len(utterances)),)
    assert evaluation.words.rate == 1.0


def test_silence_counts_as_no_words(utterances):
    silent = [Utterance(row.audio, "_silence_") for row in utterances]
    evaluation = evaluate(untrained(), silent)
    assert evaluation.words.insertions == len(utterances)
    assert evaluation.words.reference_length == 0


@pytest.mark.parametrize("unit", ["classes", "words"])
def test_blanks_between_words_do_not_count(utterances, unit):
    recognizer = untrained(unit)
    answers = [recognizer.transcribe(row.audio).label for row in utterances]
    said = [
        Utterance(row.audio, f" {answer.replace(' ', '  ')}\t")
        for row, answer in zip(utterances, answers, strict=True)
    ]
    evaluation = evaluate(recognizer, said)
    assert evaluation.accuracy.correct == len(said)
    assert evaluation.mistaken == ()
    assert np.trace(np.array(evaluation.confusion)) == np.sum(evaluation.confusion)


def test_a_foreign_word_is_unknown_to_a_classifier_with_that_class(utterances, tmp_path):
    foreign = [Utterance(row.audio, "zebra") for row in utterances]
    plain = untrained()
    knowing = Recognizer.from_modules(
        plain.features, plain.model, Vocabulary(("low", "middle", "_unknown_"))
    )
    for recognizer in (plain, knowing):  # every answer is withheld
        recognizer.calibration = Calibration(unknown_below=1e9)
    assert evaluate(plain, foreign).accuracy.correct == 0
    evaluation = evaluate(knowing, foreign)
    assert evaluation.accuracy.correct == len(foreign)
    assert evaluation.words.errors == 0
    assert evaluation.labels == ("_unknown_",)
    assert [knowing.vocabulary.tokens[i] for i in knowing.vocabulary.encode("zebra")] == [
        "_unknown_"  # the target of training
    ]
    evaluation.write(tmp_path)
    line = json.loads((tmp_path / "hypotheses.jsonl").read_text().splitlines()[0])
    assert (line["reference"], line["is_correct"]) == ("zebra", True)


def test_tables_show_every_figure(utterances, capsys):
    print_evaluation(evaluate(untrained(), utterances))
    printed = capsys.readouterr().out
    for text in ("by class", "by speaker", "confusion", "accuracy", "95 % interval", "inserted"):
        assert text in printed


def test_nothing_to_evaluate():
    with pytest.raises(DataError, match="there are no utterances to evaluate"):
        evaluate(untrained(), [])
