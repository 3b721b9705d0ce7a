"""Ordinary words around a vocabulary: which they are, who says them, and in which split."""

from dataclasses import replace
from functools import partial

import pytest

from speech_rnn.data.corpus import SPLITS
from speech_rnn.errors import ConfigurationError
from speech_rnn.synthesis.espeak import Synthetic
from speech_rnn.synthesis.espeak_library import Espeak
from speech_rnn.synthesis.languages import accents_of, unreadable
from speech_rnn.synthesis.near_misses import distinct
from speech_rnn.synthesis.ordinary import OrdinaryWords, talk
from tests.synthesis.test_command import spoken

pytest.importorskip("espeakng_loader", reason="synthetic voices need the extra [synth]")
pytest.importorskip("wordfreq", reason="ordinary words need the extra [synth]")
WORDS = ["two", "know", "right"]


@pytest.fixture(scope="module")
def espeak():
    return Espeak()


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "de", "ru", "zh"])
def test_words_are_as_many_in_each_language_and_all_are_spoken(language, tmp_path, espeak):
    corpus = OrdinaryWords(str(tmp_path), language, n_words=40, clips=1).prepare(WORDS)
    assert len(corpus.utterances) == len(set(corpus.words)) == 40
    accents = accents_of(language, espeak.accents)
    assert not unreadable(corpus.words, accents[0])
    sounds = espeak.phonemes(corpus.words, accent=accents[0])
    assert len(set(sounds)) == 40


@pytest.mark.slow
def test_none_sounds_like_a_word_of_the_vocabulary(tmp_path, espeak):
    corpus = OrdinaryWords(str(tmp_path), n_words=300, clips=1).prepare(WORDS)
    sounds = partial(espeak.phonemes, accent="en-us")
    assert not set(sounds(corpus.words)) & set(sounds(WORDS))
    assert not {"too", "to", "no", "write"} & set(corpus.words)


def test_no_split_shares_a_word_or_a_voice_with_another(tmp_path):
    corpus = OrdinaryWords(str(tmp_path), n_words=24, clips=2).prepare(WORDS)
    of_split = {split: corpus.split(split) for split in SPLITS}
    assert {split: len(rows) for split, rows in of_split.items()} == {
        "train": 36,
        "validation": 6,
        "test": 6,
    }
    for what in ("text", "speaker"):
        found = [{getattr(row, what) for row in rows} for rows in of_split.values()]
        assert sum(map(len, found)) == len(set.union(*found))


def test_a_synthesizer_of_the_vocabulary_says_each_word_of_training_once(tmp_path):
    program = spoken(tmp_path / "program")  # it has voices for training only
    plain = OrdinaryWords(str(tmp_path), n_words=16, clips=1)
    alone, corpus = (words.prepare(WORDS) for words in (plain, replace(plain, flite=program)))
    added = set(corpus.utterances) - set(alone.utterances)
    assert sorted(row.text for row in added) == sorted(
        row.text for row in alone.utterances if row.split == "train"
    )
    assert {row.split for row in added} == {"train"}
    assert {row.speaker for row in added} == set(program.voices[:1])


def test_a_synthesizer_of_the_vocabulary_says_a_third_of_the_talk_once(tmp_path):
    program = spoken(tmp_path / "program")
    plain = OrdinaryWords(str(tmp_path), n_words=16, clips=1, n_talk=24)
    alone, corpus = (words.prepare(WORDS) for words in (plain, replace(plain, flite=program)))
    added = [row.text for row in set(corpus.utterances) - set(alone.utterances) if " " in row.text]
    talk_of_training = {row.text for row in alone.split("train") if " " in row.text}
    assert len(talk_of_training) == 18
    assert len(added) == len(set(added)) == 6
    assert set(added) < talk_of_training


def test_a_synthesizer_that_is_not_installed_says_no_words(tmp_path):
    absent = spoken(tmp_path, command=("no-such-program", "{text}", "{file}"))
    plain = OrdinaryWords(str(tmp_path), n_words=8, clips=1)
    assert replace(plain, flite=absent).prepare(WORDS) == plain.prepare(WORDS)


@pytest.mark.parametrize("split", SPLITS)
def test_voices_speak_other_words_for_one_split(split, tmp_path):
    voices = Synthetic(["go"], str(tmp_path), train_clips=3, validation_clips=3, test_clips=3)
    rows = voices.speaking(["hat", "bat"], split, 2).prepare().utterances
    assert [row.text for row in rows] == ["hat", "hat", "bat", "bat"]
    assert {row.split for row in rows} == {split}


def test_distinct_texts_by_hand():
    texts, sounds = ["too", "two", "to", "go", "oh"], [("t", "u"), ("t", "u"), ("t",), ("g",), ()]
    assert [*distinct(texts, sounds, [("g",)])] == ["too", "to"]


def test_talk_is_words_of_one_split_in_a_row(tmp_path):
    corpus = OrdinaryWords(str(tmp_path), n_words=24, clips=1, n_talk=16).prepare(WORDS)
    words, said = {}, dict.fromkeys(SPLITS, 0)
    for row in corpus.utterances:
        if " " not in row.text:
            words[row.text] = row.split
    for row in corpus.utterances:
        if " " in row.text:
            assert 2 <= len(row.text.split()) <= 5
            assert {words[word] for word in row.text.split()} == {row.split}
            said[row.split] += 1
    assert said == {"train": 12, "validation": 2, "test": 2}


def test_a_few_words_make_few_stretches_of_talk():
    said = talk([*"abcdefgh"], 1500)  # a a, a a a, …: four stretches of each word
    assert sorted(map(len, map(str.split, said))) == [2] * 8 + [3] * 8 + [4] * 8 + [5] * 8


def test_talk_may_be_too_short_for_all_splits(tmp_path):
    corpus = OrdinaryWords(str(tmp_path), n_words=16, clips=1, n_talk=6).prepare(WORDS)
    said = [row for row in corpus.utterances if " " in row.text]
    assert {row.split for row in said} == {"train"}
    assert len(said) == 6


@pytest.mark.parametrize("wrong", [{"n_words": 7}, {"clips": 0}, {"n_talk": -1}])
def test_wrong_numbers_are_refused(wrong, tmp_path):
    with pytest.raises(ConfigurationError, match="or more"):
        OrdinaryWords(str(tmp_path), **wrong)
