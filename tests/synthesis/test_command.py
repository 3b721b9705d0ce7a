"""Words spoken by a program, here a small one of our own, and by flite where it is installed."""

import shutil
import sys

import numpy as np
import pytest

from speech_rnn.audio import load_audio, write_audio
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.synthesis.command import Spoken
from speech_rnn.synthesis.voices import Voices
from tests.tones import tone

PROGRAM = """
import sys, wave
text, voice, stretch, file = sys.argv[1:]
if text == "stop":
    sys.exit("no such word")
with wave.open(file, "wb") as sound:
    sound.setparams((1, 2, 8000, 0, "NONE", ""))
    wave = [(2 * (n // int(voice) % 2) - 1) * 1000 for n in range(int(4000 * float(stretch)))]
    sound.writeframes(b"".join(n.to_bytes(2, "little", signed=True) for n in wave))
"""
COMMAND = (sys.executable, "-c", PROGRAM, "{text}", "{voice}", "{stretch}", "{file}")


def spoken(root, words=("lights on", "go"), **settings):
    return Spoken(
        words, str(root), **({"command": COMMAND, "voices": ("5", "9"), "clips": 3} | settings)
    )


@pytest.fixture
def command(tmp_path):
    program = tmp_path / "speak.py"
    program.write_text(PROGRAM)
    return (sys.executable, str(program), "{text}", "{voice}", "{stretch}", "{file}")


def test_voices_take_turns_and_nothing_is_made_twice(tmp_path, command):
    source = spoken(tmp_path, command=command)
    corpus = source.prepare()
    assert [row.speaker for row in corpus.utterances] == ["5", "9", "5"] * 2
    assert {row.split for row in corpus.utterances} == {"train"}
    assert corpus.words == ("lights on", "go")
    files = [row.audio for row in corpus.utterances]
    lengths = {len(load_audio(file, 16_000)) for file in files}
    assert len(lengths) == 6
    (tmp_path / "speak.py").unlink()
    assert source.prepare() == corpus
    assert np.abs(load_audio(files[0], 16_000)).max() <= 10 ** (-1 / 20) + 1e-3


def test_a_failing_program_is_reported(tmp_path, command):
    with pytest.raises(DataError, match=r"gives no speech: .*no such word"):
        spoken(tmp_path, ("stop",), command=command).prepare()
    lacking = spoken(
        tmp_path, command=("no-such-program", "{text}", "{file}"), install="apt install it"
    )
    with pytest.raises(DataError, match=r"'no-such-program' is not installed.*: run  apt install"):
        lacking.prepare()


def test_a_program_that_lacks_a_file_is_left_out(tmp_path, command, caplog):
    voice = tmp_path / "voice.onnx"
    lacking = spoken(tmp_path, command=command, files=[str(voice)], install="get voice")
    other = spoken(tmp_path, command=command, seed=1)
    assert Voices(flite=other, piper=lacking).prepare() == other.prepare()
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"piper is left out: files=[{str(voice)!r}] of ")
    assert "are missing: run  get voice. Without it: " in line
    with pytest.raises(DataError, match="get voice"):
        Voices(flite=other, piper=lacking, required=["piper"]).prepare()
    voice.touch()
    assert len(Voices(flite=other, piper=lacking).prepare().utterances) == 12


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"command": ("say", "{text}")}, "must hold file in braces"),
        ({"command": ("say", "{file}", "{words}", "{text}")}, "a place other than {text}"),
        ({"voices": ()}, "must be at least one"),
        ({"clips": 0}, "must be at least one"),
        ({"words": ("go", "go")}, "given twice"),
    ],
)
def test_wrong_settings_are_refused(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        spoken("sounds", **wrong)


def test_sources_are_joined(tmp_path, command):
    one = spoken(tmp_path, ("go",), command=command)
    other = spoken(tmp_path, ("go", "left"), command=command, seed=1)
    corpus = Voices(flite=one, piper=other).prepare()
    assert corpus.words == ("go", "left")
    assert len(corpus.utterances) == 9
    assert corpus.noise == ()
    hum = tmp_path / "hum.wav"
    write_audio(hum, tone("low"), 16_000)
    assert Voices(flite=one, noise=[str(hum)]).prepare().noise == (hum,)
    people = Voices(flite=one, people=other, people_times=3).prepare()
    assert [row.text for row in people.utterances] == ["go"] * 3 + [
        "go",
        "go",
        "go",
        *["left"] * 3,
    ] * 3
    with pytest.raises(ConfigurationError, match="are all null; give one"):
        Voices()


@pytest.mark.skipif(not shutil.which("flite"), reason="flite is not installed")
def test_flite_speaks(tmp_path):
    command = ("flite", "-voice", "{voice}", "--setf", "duration_stretch={stretch}")
    command += ("-t", "{text}", "-o", "{file}")
    voices = ("slt", "rms")
    source = Spoken(("seven",), str(tmp_path), command=command, voices=voices, clips=4)
    for row in source.prepare().utterances:
        assert 0.3 < len(load_audio(row.audio, 16_000)) / 16_000 < 2
