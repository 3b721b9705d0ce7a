"""Recipes of several synthesizers where espeak-ng alone is at hand, and the room of their user."""

import logging

import pytest
from hydra.utils import instantiate

from speech_rnn.audio import write_audio
from speech_rnn.config.app import as_typed, compose
from speech_rnn.config.build import corpus_of
from tests.tones import tone

pytest.importorskip("espeakng_loader", reason="speech is synthesized with the extra [synth]")


STARTER = ("data.root=DIR", "~data.sources.digits", "~data.sources.phrases")
STARTER += ("~data.sources.commands",)


def few(place):
    return [f"{place}.espeak.{split}_clips=1" for split in ("train", "validation", "test")]


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A user without programs or downloaded files; the line that keeps their data in a folder."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return f"paths.data={tmp_path / 'data'}"


def told(caplog):
    return {
        line.getMessage().partition(" is left out: ")[0]: line.getMessage()
        for line in caplog.records
        if line.levelno == logging.WARNING
    }


@pytest.mark.parametrize(
    ("recipe", "lines", "absent"),
    [
        ("custom", few("data"), {"kokoro", "flite"}),
        ("digits_voices", few("data"), {"kokoro", "flite", "piper"}),
        (
            "starter",
            [*STARTER, *few("data.sources")],
            {"kokoro", "flite"},
        ),
    ],
)
def test_missing_synthesizers_are_left_out_and_reported(bare, caplog, recipe, lines, absent):
    line = [f"+recipe={recipe}", *([] if recipe == "digits_voices" else ["words=[go,stop]"])]
    corpus = instantiate(compose("train", as_typed([*line, bare, *lines])).data).prepare()
    assert len(corpus.utterances) == 3 * len(corpus.words)
    lines = told(caplog)
    assert lines.keys() == absent
    assert "detected 84 %" in lines["kokoro"]
    assert "voices=kokoro" in lines["kokoro"]
    assert "run  apt install flite" in lines["flite"]
    if "piper" in absent:
        assert "run  pip install piper-tts && python -m piper.download_voices" in lines["piper"]


def test_extra_voices_are_left_out_as_well(bare, caplog):
    line = ["+recipe=digits_stream", "data.root=DIR", bare, *few("extra")]
    corpus = instantiate(compose("train", as_typed(line)).extra).prepare()
    assert len(corpus.utterances) == 30
    assert told(caplog).keys() == {"kokoro", "flite"}


def test_near_misses_do_without_kokoro(bare, caplog):
    pytest.importorskip("wordfreq", reason="near misses need the extra [synth]")
    few_near = ["per_word=1", "frequent=100", "espeak.train_clips=1"]
    line = ["+recipe=keywords_stream", "data.root=DIR", bare]
    line += [f"negatives.near_misses.{setting}" for setting in few_near]
    near = instantiate(compose("train", as_typed(line)).negatives).near_misses
    assert near.prepare(["go"]).utterances
    assert "8, 0 and 0 false accepts" in told(caplog)["kokoro"]


def test_null_leaves_a_synthesizer_out_without_a_word(bare, caplog):
    line = ["+recipe=custom", "words=[go]", bare, "data.kokoro=null", "data.flite=null"]
    instantiate(compose("train", as_typed([*line, *few("data")])).data).prepare()
    assert not told(caplog)


@pytest.mark.parametrize("recipe", ["custom"])
@pytest.mark.parametrize("as_folder", [True, False])
def test_the_room_of_the_user_is_noise_and_silence(bare, tmp_path, recipe, as_folder):
    (tmp_path / "room").mkdir()
    hum = tmp_path / "room/hum.wav"
    write_audio(hum, tone("low"), 16_000)
    room = hum.parent if as_folder else hum
    line = [f"+recipe={recipe}", "words=[go]", bare, f"background={room}", *few("data")]
    line += ["negatives.others=null", "negatives.silence_share=4"]
    corpus = corpus_of(compose("evaluate", as_typed([*line, "split=train", "model_file=x"])))
    assert corpus.noise == (hum,)
    silence = [row for row in corpus.utterances if row.text == "_silence_"]
    assert len(silence) >= 8
    assert {row.audio for row in silence} == {str(hum)}


def test_a_missing_background_is_reported(bare, tmp_path):
    line = ["+recipe=custom", "words=[go]", bare, f"background={tmp_path / 'room'}", *few("data")]
    with pytest.raises(
        Exception, match=r"background=.*room' is neither a sound file nor a folder of"
    ):
        instantiate(compose("train", as_typed(line)).data).prepare()
