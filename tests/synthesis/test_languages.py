"""Words are spoken in their language, and it is told where they are not."""

import logging

import numpy as np
import pytest

from speech_rnn.config.app import as_typed, compose
from speech_rnn.config.build import corpus_of
from speech_rnn.errors import ConfigurationError
from speech_rnn.synthesis.command import Spoken
from speech_rnn.synthesis.custom import Custom
from speech_rnn.synthesis.espeak import Synthetic
from speech_rnn.synthesis.espeak_library import Espeak
from speech_rnn.synthesis.kokoro import NeuralVoices
from speech_rnn.synthesis.languages import ENGLISH, accents_of, foreign_letters, unreadable
from speech_rnn.synthesis.near_misses import NearMisses
from speech_rnn.synthesis.voices import Voices

pytest.importorskip("espeakng_loader", reason="speech is synthesized with the extra [synth]")
FEW = {"train_clips": 2, "validation_clips": 1, "test_clips": 1}


@pytest.fixture(scope="module")
def espeak():
    return Espeak()


@pytest.mark.parametrize(
    ("language", "accents"),
    [
        ("en", ENGLISH),
        ("de", ("de",)),
        ("fr", ("fr-be", "fr-ch", "fr-fr")),
        ("fr-ch", ("fr-ch",)),
        ("zh", ("cmn",)),
        ("ru", ("ru", "ru-cl", "ru-lv")),
    ],
)
def test_a_language_has_its_accents(espeak, language, accents):
    assert accents_of(language, espeak.accents) == accents


def test_a_language_without_a_voice(espeak, tmp_path):
    with pytest.raises(
        ConfigurationError, match="language='dee' is not a language of espeak-ng; d"
    ):
        Synthetic(["ja"], str(tmp_path), language="dee", **FEW).prepare()


@pytest.mark.parametrize(
    ("words", "accent", "message"),
    [
        (
            ["打开"],
            "en-us",
            "'打开' is in Chinese letters, which no voice of en-us reads; set language=zh",
        ),
        (["hi", "привет"], "de", "'привет' is in Cyrillic letters.*set language=ru"),
        (["ひらく"], "cmn", "is in Hiragana letters.*set language=ja"),
        (["פתח"], "en-gb", "is in Hebrew letters.*set language=he"),
    ],
)
def test_case_19_words_in_letters_that_no_voice_reads(words, accent, message, tmp_path):
    with pytest.raises(ConfigurationError, match=message) as caught:
        Synthetic(words, str(tmp_path), accents=[accent], **FEW).prepare()
    assert "sounds like" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "accent"),
    [
        (["打开", "关闭"], "cmn"),
        (["ひらく", "閉じる", "ドア"], "ja"),
        (["привет", "stop"], "ru"),
        (["tür auf", "don't", "naïve", "R2"], "de"),
        (["отвори", "otvori"], "sr"),
    ],
)
def test_letters_that_are_read(words, accent):
    assert not unreadable(words, accent)


def test_case_19_words_of_another_language_are_reported(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        Synthetic(["grün", "tür auf", "stop"], str(tmp_path), **FEW).prepare()
    (note,) = caplog.messages
    assert note == (
        "words that have letters that English does not have are spoken in English: grün, tür auf; "
        "set language=de for German, and so on"
    )
    assert foreign_letters(["grün", "stop"], "de") is None
    assert "write them in those of language=ru" in foreign_letters(["привет", "stop"], "ru")


def test_case_19_chinese_words_differ_in_their_language(tmp_path):
    corpus = Synthetic(["打开", "关闭"], str(tmp_path), language="zh", **FEW).prepare()
    assert corpus.words == ("打开", "关闭")


@pytest.mark.parametrize("given", [{"language": "de"}, {"accents": ["de"]}])
def test_case_19_custom_words_are_spoken_in_their_language(given, tmp_path, espeak):
    corpus = Custom(["grün"], str(tmp_path), **given, **FEW).prepare()
    assert all("-de-" in row.audio for row in corpus.utterances)
    german, english = (espeak.speak("grün", accent=accent) for accent in ("de", "en-us"))
    assert not np.array_equal(german, english)


def test_case_19_a_language_goes_for_the_other_words_too(tmp_path):
    pytest.importorskip("wordfreq", reason="ordinary words need the extra [synth]")
    line = ["+recipe=custom", "words=['grün','tür auf']", "language=de", f"paths.data={tmp_path}"]
    few = [f"data.espeak.{split}_clips=1" for split in ("train", "validation", "test")]
    few += [f"negatives.others.{key}" for key in ("n_words=16", "clips=1", "n_talk=8")]
    rows = corpus_of(compose("train", as_typed([*line, *few]))).utterances
    spoken = [row.audio for row in rows if row.text != "_silence_"]
    assert len(spoken) == 3 * 2 + 16 + 8
    assert all("-de-" in audio for audio in spoken)


def test_near_misses_of_another_language(tmp_path):
    pytest.importorskip("wordfreq", reason="ordinary words need the extra [synth]")

    def speaks(words):
        return Synthetic(words[:3], str(tmp_path), language="de", **FEW)

    near = NearMisses(speaks, per_word=4, frequent=2000, language="de").prepare(["grün"])
    assert near.words
    assert not {"green", "grün"} & set(near.words)


def test_synthesizers_of_one_language_are_left_out_of_another(tmp_path, caplog):
    flite = Spoken(
        ["grün"],
        str(tmp_path),
        command=["flite", "{text}", "{file}"],
        voices=["slt"],
        language="de",
        speaks=["en"],
    )
    kokoro = NeuralVoices(["grün"], str(tmp_path), folder="", language="de")
    with pytest.raises(
        ConfigurationError, match="language='de' is not spoken by flite, which speaks: en"
    ):
        flite.prepare()
    with pytest.raises(
        ConfigurationError, match="not spoken by Kokoro, which speaks: en, es, fr, hi, it, pt"
    ):
        kokoro.prepare()
    espeak = Synthetic(["grün"], str(tmp_path), language="de", **FEW)
    assert Voices(espeak=espeak, flite=flite, kokoro=kokoro).prepare() == espeak.prepare()
    assert [line.getMessage().split(":")[0] for line in caplog.records] == [
        "kokoro is left out",
        "flite is left out",
    ]
    french = NeuralVoices(["vert"], str(tmp_path), folder="", language="fr")
    assert not isinstance(french.lack(), ConfigurationError)
