import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.vocabulary import Vocabulary

WORDS = ("yes", "no", "smart mirror", "mirror")


def test_classes_are_the_words_in_their_order():
    vocabulary = Vocabulary.of(WORDS)
    assert vocabulary.tokens == WORDS
    assert vocabulary.head == "classification"
    assert [vocabulary.encode(word) for word in WORDS] == [[0], [1], [2], [3]]


def test_other_texts_are_unknown_if_that_is_a_class():
    assert Vocabulary.of(["_silence_", "_unknown_", "yes"]).encode("zebra") == [1]


def test_ctc_has_a_blank_and_no_reasons():
    vocabulary = Vocabulary.of(["_silence_", "_unknown_", "yes"], "words")
    assert vocabulary.tokens == ("_blank_", "yes")
    assert vocabulary.encode("_silence_") == []
    assert vocabulary.head == "ctc"


@given(st.lists(st.sampled_from(WORDS), max_size=8))
def test_sequences_of_words_come_back(words):
    vocabulary = Vocabulary.of(WORDS, "words")
    assert vocabulary.decode(vocabulary.encode(" ".join(words))) == tuple(words)


def test_the_longest_token_wins():
    vocabulary = Vocabulary.of(WORDS, "words")
    assert vocabulary.encode("mirror smart mirror") == [4, 3]


@given(st.lists(st.sampled_from(WORDS), max_size=8))
def test_characters_come_back(words):
    vocabulary = Vocabulary.of(WORDS, "characters")
    text = " ".join(words)
    assert " ".join(vocabulary.decode(vocabulary.encode(text))) == text


@pytest.mark.parametrize("unit", ["classes", "words"])
def test_a_word_it_lacks_names_the_nearest(unit):
    with pytest.raises(DataError, match=r"text='yess' is not in the vocabulary; did you mean 'yes"):
        Vocabulary.of(WORDS, unit).encode("yess")


def test_a_character_it_lacks_is_named():
    with pytest.raises(DataError, match="text='qz'"):
        Vocabulary.of(WORDS, "characters").encode("yes zq")


@pytest.mark.parametrize(
    ("words", "unit", "message"),
    [
        ([], "classes", "is empty"),
        (["a", "b", "a"], "classes", r"words=\['a'\] occur twice"),
        (["a"], "phones", "vocabulary='phones' must be one of classes, words, characters"),
    ],
)
def test_wrong_vocabularies(words, unit, message):
    with pytest.raises(ConfigurationError, match=message):
        Vocabulary.of(words, unit)


@pytest.mark.parametrize("unit", ["classes", "words", "characters"])
def test_plain_values_make_it_again(unit):
    vocabulary = Vocabulary.of(WORDS, unit)
    assert Vocabulary.from_dict(vocabulary.to_dict()) == vocabulary
