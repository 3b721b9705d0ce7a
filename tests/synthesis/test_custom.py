"""A person's own words, with and without recordings of them."""

import pytest

from speech_rnn.audio import write_audio
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.synthesis.custom import Custom
from tests.tones import tone

pytest.importorskip("espeakng_loader", reason="speech is synthesized with the extra [synth]")

WORDS = ("lights on", "lights off")
FEW = {"train_clips": 6, "validation_clips": 1, "test_clips": 1}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    return str(tmp_path_factory.mktemp("sounds"))


def test_recordings_have_their_share(sounds, tmp_path):
    (tmp_path / "lights_on").mkdir()
    for number in range(2):
        write_audio(tmp_path / f"lights_on/{number}.wav", tone("low", seed=number), 16_000)
    custom = Custom(WORDS, sounds, str(tmp_path), recorded_share=0.4, **FEW)
    rows = custom.prepare().split("train")
    recorded = [row for row in rows if row.speaker == "recorded"]
    assert [row.text for row in recorded] == ["lights on"] * 4  # of 10, 6 are synthetic
    assert len({row.audio for row in recorded}) == 2
    assert len(rows) == 16


def test_without_recordings_it_is_synthetic(sounds):
    corpus = Custom(WORDS, sounds, **FEW).prepare()
    assert corpus.words == WORDS
    assert len(corpus.utterances) == 16


def test_wrong_settings_are_reported(sounds, tmp_path):
    with pytest.raises(DataError, match=r"recordings=.* is not a folder"):
        Custom(WORDS, sounds, str(tmp_path / "none"), **FEW).prepare()
    (tmp_path / "light_on").mkdir()
    write_audio(tmp_path / "light_on/0.wav", tone("low"), 16_000)
    with pytest.raises(
        DataError, match=r"light on, which are not among the words; did you mean 'lights on'"
    ):
        Custom(WORDS, sounds, str(tmp_path), **FEW).prepare()
    with pytest.raises(ConfigurationError, match=r"recorded_share=1 must lie in \[0, 1\)"):
        Custom(WORDS, sounds, recorded_share=1)
    with pytest.raises(ConfigurationError, match="given twice"):
        Custom(["on", "on"], sounds)
