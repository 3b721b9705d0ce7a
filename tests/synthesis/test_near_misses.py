"""What sounds nearly like a word: by brute force, and spoken."""

import sys
from collections import Counter
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.data.manifest import Manifest
from speech_rnn.data.negatives import Negatives
from speech_rnn.errors import ConfigurationError, DataError, MissingExtraError
from speech_rnn.synthesis.espeak import Synthetic
from speech_rnn.synthesis.espeak_library import Espeak
from speech_rnn.synthesis.kokoro import NeuralVoices
from speech_rnn.synthesis.near_misses import NearMisses, near_misses
from tests.tones import TONES_HZ, write_corpus


def spelt(texts):
    """Letters for sounds."""
    return [tuple(text.replace(" ", "")) for text in texts]


def edits(one, other):
    """Levenshtein's distance by its definition."""
    if not one or not other:
        return len(one) + len(other)
    same = edits(one[1:], other[1:]) + (one[0] != other[0])
    return min(same, edits(one[1:], other) + 1, edits(one, other[1:]) + 1)


words = st.text("abc", min_size=1, max_size=4)


@given(words, st.lists(words, unique=True, max_size=8), st.integers(1, 8))
def test_the_nearest_come_first_and_then_the_most_frequent(word, lexicon, count):
    found = near_misses([word], lexicon, spelt, count)
    apart = [other for other in lexicon if word not in other]
    near = sorted(apart, key=lambda other: edits(word, other) / max(len(word), len(other)))
    assert found == near[:count]


def test_of_a_phrase_its_words_are_near_and_it_with_another_word():
    found = near_misses(["hot dog"], ["cat", "hat", "dig", "hotel"], spelt, 1)
    assert found == ["hot", "hat", "hat dog", "dog", "dig", "hot dig"]


def test_homophones_of_the_vocabulary_are_no_near_misses():
    found = near_misses(["hot dog", "hat dog", "hit"], ["hat", "hit", "dig"], spelt, 2)
    assert "hat dog" not in found
    assert "hit" not in found
    assert "hit dog" in found


def test_one_of_several_homophones_is_enough():
    sounds = {"wrap": "rap", "rap": "rap", "trap": "trap", "ramp": "ramp"}
    heard = near_misses(
        ["trap"], ["ramp", "rap", "wrap"], lambda texts: [tuple(sounds[text]) for text in texts], 9
    )
    assert heard == ["rap", "ramp"]


def test_words_of_phrases_that_sound_alike_are_spoken_once():
    """A synthesizer refuses texts that nobody can tell apart."""
    sounds = {"two": "tu", "too": "tu"}

    def heard(texts):
        return [tuple("".join(sounds.get(word, word) for word in text.split())) for text in texts]

    assert near_misses(["two on", "me too"], [], heard, 1) == ["two", "on", "me"]


def test_sounds_are_those_of_espeak():
    view, glass, both = Espeak().phonemes(["view", "glass", "view glass"])
    assert view == ("v", "j", "u")
    assert glass == ("ɡ", "l", "æ", "s")
    assert both == view + glass
    one, other, none = Espeak().phonemes(["a b, c", "write", ""])
    assert one == ("ɐ", "b", "i", "s", "i")
    assert (other, none) == (Espeak().phonemes(["right"])[0], ())
    with pytest.raises(DataError, match="voice='xx' is not a voice"):
        Espeak().phonemes(["a"], accent="xx")


@pytest.fixture
def speaks(tmp_path):
    return partial(
        Synthetic, root=str(tmp_path / "voices"), train_clips=2, validation_clips=1, test_clips=1
    )


def said(corpus, split):
    """The texts of a split, and how many clips of each are synthetic."""
    rows = [row for row in corpus.split(split) if "voices" in row.audio]
    return Counter((row.audio.split("/")[-2], row.text) for row in rows)


def test_near_misses_are_unknown_and_used_in_training_only(tmp_path, speaks):
    corpus = Manifest(str(write_corpus(tmp_path)), tuple(TONES_HZ)).prepare()
    near = NearMisses(espeak=speaks, per_word=3, frequent=2000)
    assert near.prepare(["middle"]).words == ("model", "mid", "models")
    negatives = Negatives(near_misses=near, held_out_words=["low", "high"])
    joined = negatives.join(corpus, to_train=True)
    assert said(joined, "train") == {(word, "_unknown_"): 2 for word in ("model", "mid", "models")}
    assert not said(joined, "validation")
    assert not said(joined, "test")
    assert not said(negatives.join(corpus), "train")


def test_kokoro_is_left_out_if_it_is_missing(tmp_path, speaks, monkeypatch, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kokoro = partial(NeuralVoices, root=str(tmp_path / "voices"), folder=str(tmp_path / "none"))
    near = NearMisses(espeak=speaks, kokoro=kokoro, per_word=3, frequent=2000)
    assert near.prepare(["middle"]).words == ("model", "mid", "models")
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("kokoro is left out: ")
    assert "voices=kokoro" in line
    assert "8, 0 and 0 false accepts" in line


def test_a_word_that_is_held_out_is_no_near_miss(tmp_path, speaks):
    rows = Manifest(str(write_corpus(tmp_path)), tuple(TONES_HZ)).prepare()
    names = {"low": "middle", "middle": "model", "high": "mid"}
    renamed = tuple(replace(row, text=names[row.text]) for row in rows.utterances)
    corpus = replace(rows, utterances=renamed, words=tuple(names.values()))
    near = NearMisses(espeak=speaks, per_word=3, frequent=2000)
    negatives = Negatives(near_misses=near, held_out_words=["model"])
    heard = {word for word, _ in said(negatives.join(corpus, to_train=True), "train")}
    assert "models" in heard
    assert not heard & {"middle", "model", "mid"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"per_word": 0}, "per_word=0 must be 1 or more"),
        ({"frequent": 0}, "frequent=0 must be 1 or more"),
        ({"espeak": None}, "are both null; give at least one"),
        ({"required": "kokro"}, "must name synthesizers; did you mean 'kokoro'"),
    ],
)
def test_wrong_values_are_reported(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        NearMisses(**{"espeak": Synthetic} | wrong)


def test_a_language_without_a_list_is_reported():
    near = NearMisses(espeak=Synthetic, language="tlh")
    with pytest.raises(DataError, match="language='tlh'"):
        near.prepare(["Qapla"])


def test_without_wordfreq_the_error_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[synth\]'"):
        NearMisses(espeak=Synthetic).prepare(["middle"])
