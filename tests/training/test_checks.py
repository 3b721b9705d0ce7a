"""A corpus from which nothing can be learnt is refused before a training; what is odd is told."""

import logging

import numpy as np
import pytest

from speech_rnn.audio import write_audio
from speech_rnn.data.cache import AudioCache
from speech_rnn.data.corpus import SPLITS, Corpus, Utterance
from speech_rnn.data.overlap import overlaps
from speech_rnn.errors import DataError
from speech_rnn.evaluation.foreign import check_texts
from speech_rnn.training.checks import check_corpus
from speech_rnn.vocabulary import Vocabulary


def corpus(*texts, n_clips=2, **of_splits):
    """Return a corpus in which each split has clips of texts, or of those that are named for it."""
    rows = [
        Utterance(f"{text}{number}.wav", text, split=split)
        for split in SPLITS
        for text in of_splits.get(split, texts)
        for number in range(n_clips)
    ]
    return Corpus(
        tuple(rows), tuple(dict.fromkeys(row.text for row in rows if row.split != "test"))
    )


def check(corpus, unit="classes", **options):
    check_corpus(corpus, corpus.vocabulary(unit), **{"connected": False, **options})


def test_an_ordinary_corpus_is_taken_without_a_word(caplog):
    with caplog.at_level(logging.INFO):
        check(corpus("no", "yes", n_clips=50))
    assert caplog.text == ""


@pytest.mark.parametrize("unit", ["classes", "words"])
def test_case_07_one_class_is_refused(unit):
    with pytest.raises(
        DataError, match=r"words=\['data'\] are one class, .* negatives=other_words"
    ):
        check(corpus("data"), unit)
    check(corpus("data"), unit, connected=True)
    check(corpus("data", "_unknown_"))


def test_a_class_without_a_training_clip_is_refused():
    with pytest.raises(
        DataError, match="training has no clip for these words: left; get or record"
    ):
        check(corpus("no", "yes", validation=("no", "yes", "left")))


def test_classes_without_a_clip_in_a_split_are_reported(caplog):
    check(corpus("no", "yes", validation=("no",), test=("yes",)))
    assert "the validation split has no clip for these words: yes" in caplog.text
    assert "the test split has no clip for these words: no" in caplog.text


@pytest.mark.parametrize(("n_clips", "is_named"), [(9, True), (10, False), (60, False)])
def test_with_very_few_recordings_the_recipe_of_synthetic_voices_is_named(
    caplog, n_clips, is_named
):
    check(corpus("no", "yes", n_clips=n_clips))
    assert ("+recipe=custom 'words=[…]' recordings=DIR" in caplog.text) == is_named


def test_words_with_few_clips_are_reported_with_a_table(caplog):
    rows = corpus("no", "yes", "_unknown_", n_clips=60).utterances
    few = [row for row in rows if row.text != "yes" or row.audio in ("yes0.wav", "yes1.wav")]
    found = Corpus(tuple(few[:-1]), ("_unknown_", "no", "yes"))
    with caplog.at_level(logging.INFO):
        check(found)
    assert "fewer than 50 clips of these words: yes (2); get more" in caplog.text
    table = caplog.records[0].getMessage()
    assert table.split("\n") == [
        "clips of each class (train, validation, test):",
        "  _unknown_     60     60     59  no            60     60     60"
        "  yes            2      2      2",
    ]
    caplog.clear()
    with caplog.at_level(logging.INFO):
        check(found, "words", connected=True)
    assert caplog.records[0].getMessage().split("\n") == [
        "clips of each class (train):",
        "  _unknown_     60  no            60  yes            2",
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("yes", "Yes", "no"), "'yes' and 'Yes' look the same"),
        (("dont", "don't", "no"), '"don\'t" look the same'),
        (("lights on", "lights-on"), "'lights on' and 'lights-on' look the same"),
        (("\uff59\uff45\uff53", "yes"), "look the same"),
    ],
)
def test_case_22_words_that_look_alike_are_reported(words, told, caplog):
    check(corpus(*words))
    assert told in caplog.text


@pytest.mark.parametrize(
    "words", [("gr\u00fcn", "grun"), ("\u0915\u0940", "\u0915\u093e"), ("去", "来")]
)
def test_words_of_other_letters_do_not_look_alike(words, caplog):
    check(corpus(*words, n_clips=50))
    assert caplog.text == ""


def test_test_words_that_training_lacks_are_reported(caplog):
    check(corpus("no", "yes", test=("no", "yess")))
    assert "2 of 4 clips have words that the model lacks (yess); did you mean 'yes'?" in caplog.text
    assert "count as errors" in caplog.text


def test_a_test_of_other_words_alone_is_refused():
    with pytest.raises(
        DataError, match=r"there is nothing to measure: 4 of 4 clips .* \(up, down\)"
    ):
        check(corpus("no", "yes", test=("up", "down")))
    check(corpus("no", "yes", test=("up", "down")), test=False)


@pytest.mark.parametrize(
    ("vocabulary", "text", "lacks"),
    [
        (Vocabulary(("go", "stop")), "Go", "Go"),
        (Vocabulary.of(("go", "lights on"), "words"), "go lights off", "lights"),
        (Vocabulary.of(("go", "stop"), "characters"), "goat", "a"),
    ],
)
def test_missing_words_are_reported_for_each_unit(vocabulary, text, lacks, caplog):
    rows = [Utterance("a.wav", "go"), Utterance("b.wav", text), Utterance("c.wav", "_silence_")]
    check_texts(rows, vocabulary)
    assert f"1 of 3 clips have words that the model lacks ({lacks})" in caplog.text


def test_other_words_are_right_to_be_unknown(caplog):
    check_texts([Utterance("a.wav", "up")], Vocabulary(("_unknown_", "go")))
    assert "(up): the right answer is no answer, or _unknown_" in caplog.text


@pytest.fixture
def sounds(tmp_path):
    random = np.random.default_rng(0)
    for name in "abc":
        write_audio(tmp_path / f"{name}.wav", random.uniform(-0.5, 0.5, 4000).astype(np.float32))
    write_audio(tmp_path / "zeros.wav", np.zeros(4000, dtype=np.float32))
    return tmp_path


def caches(folder, **names):
    return {
        split: AudioCache([Utterance(str(folder / name), "go") for name in files], 16_000)
        for split, files in names.items()
    }


def test_case_24_the_same_clip_in_two_splits(sounds):
    (sounds / "copy.wav").write_bytes((sounds / "b.wav").read_bytes())
    write_audio(
        sounds / "copy.flac", AudioCache([Utterance(str(sounds / "c.wav"), "")], 16_000)[0] / 32768
    )
    found = caches(sounds, train=["a.wav", "b.wav"], validation=["c.wav", "a.wav"],
                   test=["copy.wav", "copy.flac", "b.wav"])  # fmt: skip
    lines = overlaps(found)
    assert len(lines) == 3
    assert lines[0].startswith("1 of 2 clips of the validation split are in the train split, too")
    assert lines[1].startswith("2 of 3 clips of the test split are in the train split, too")
    assert "copy.flac, the same sound as" in lines[2]


def test_case_24_other_clips_and_silence_are_not_the_same(sounds):
    found = caches(sounds, train=["a.wav", "zeros.wav"], test=["b.wav", "zeros.wav"])
    assert overlaps(found) == []
