"""What is none of the words: where it comes from, and that splits stay apart."""

from dataclasses import replace

import numpy as np
import pytest

from speech_rnn.audio import write_audio
from speech_rnn.data.cache import AudioCache
from speech_rnn.data.corpus import Corpus
from speech_rnn.data.manifest import Manifest
from speech_rnn.data.negatives import Negatives
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.samples.integers import FULL_SCALE
from tests.tones import TONES_HZ, tone, write_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    manifest = write_corpus(tmp_path_factory.mktemp("tones"))
    return Manifest(str(manifest), tuple(TONES_HZ)).prepare()


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speech")
    for number in range(20):
        write_audio(folder / f"talk_{number}.wav", tone("middle", 4.0, number), 16_000)
    return folder


def texts(corpus, split):
    rows = corpus.split(split)
    return {text: sum(row.text == text for row in rows) for text in {row.text for row in rows}}


def test_held_out_words_are_unknown_in_the_test_alone(corpus):
    joined = Negatives(held_out_words=["middle"]).join(corpus)
    assert joined.words == ("low", "high")
    assert texts(joined, "train") == {"low": 16, "high": 16}
    assert texts(joined, "validation") == {"low": 6, "high": 6}
    assert texts(joined, "test") == {"low": 6, "high": 6, "_unknown_": 6}


@pytest.mark.parametrize(
    ("synthetic", "to_train", "warns"),
    [
        (("low", "middle", "high"), True, True),
        (("low", "middle"), True, False),
        (("low", "middle", "high"), False, False),
    ],
)
def test_people_who_say_none_of_the_words_are_warned_of(
    synthetic, to_train, warns, corpus, speech, caplog
):
    negatives = Negatives(speech=[str(speech)])
    negatives.join(replace(corpus, synthetic=synthetic), to_train=to_train)
    assert ("answers people less" in caplog.text) == warns


def test_speech_is_cut_and_no_speaker_crosses(corpus, speech):
    negatives = Negatives(speech=[str(speech)], speech_share=1.5)
    joined = negatives.join(corpus)
    assert joined == negatives.join(corpus)
    assert joined.words == ("_unknown_", *TONES_HZ)
    files = {}
    for split, count in (("train", 24), ("validation", 9), ("test", 9)):
        rows = [row for row in joined.split(split) if row.text == "_unknown_"]
        assert len(rows) == count
        for row in rows:
            assert 1 <= row.duration_seconds <= 3
            assert 0 <= row.start_seconds <= 4 - row.duration_seconds + 1e-9
            assert files.setdefault(row.audio, split) == split
    assert not AudioCache(joined.utterances, 16_000).failures


def test_silence_is_quiet_and_some_of_it_digital(corpus):
    joined = Negatives(silence_share=2.0).join(corpus)
    assert joined.words == ("_silence_", *TONES_HZ)
    rows = [row for row in joined.split("train") if row.text == "_silence_"]
    cache = AudioCache(rows, 16_000)
    peaks = [np.abs(cache[index]).max() / FULL_SCALE for index in range(len(cache))]
    assert len(rows) == 32
    assert sum(peak == 0 for peak in peaks) == 4
    assert 10 ** (-30 / 20) < max(peaks) <= 0.1 + 1e-4


def test_silence_is_of_the_corpus_noise(corpus, speech):
    noise = (next(speech.iterdir()),)
    joined = Negatives(silence_share=1.0).join(Corpus(corpus.utterances, corpus.words, noise))
    rows = [row for row in joined.utterances if row.text == "_silence_"]
    assert {row.audio for row in rows} == {str(noise[0])}
    assert not AudioCache(rows, 16_000).failures


def test_other_words_are_unknown_and_words_of_the_corpus_are_not(corpus):
    class Others:
        def prepare(self, words):
            assert words == [*TONES_HZ]
            first, *rest = corpus.split("train")
            return Corpus((replace(first, text="shout"), *rest), ("shout",))

    joined = Negatives(others=Others()).join(corpus)
    assert texts(joined, "train") == {"_unknown_": 1, "low": 16, "middle": 16, "high": 16}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"speech_share": -1}, "speech_share=-1 must be 0 or more"),
        ({"silence_share": float("nan")}, "silence_share=nan"),
        ({"seconds": (2, 1)}, r"seconds=\[2, 1\] must be the shortest and the longest"),
    ],
)
def test_wrong_settings_are_refused(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        Negatives(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"held_out_words": ["lo"]}, r"held_out_words=\['lo'\].*did you mean 'low'"),
        ({"held_out_words": list(TONES_HZ)}, "leave some to recognise"),
        (
            {"speech": ["/nowhere"]},
            "speech='/nowhere' is neither a sound file nor a folder of them",
        ),
    ],
)
def test_wrong_data_is_reported(corpus, wrong, message):
    with pytest.raises(DataError, match=message):
        Negatives(**wrong).join(corpus)


def test_too_few_recordings_for_a_split_are_reported(corpus, tmp_path):
    write_audio(tmp_path / "one.wav", tone("low", 2.0), 16_000)
    with pytest.raises(DataError, match=r"no file for the .* split; give more"):
        Negatives(speech=[str(tmp_path)]).join(corpus)
