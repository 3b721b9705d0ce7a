"""Several synthesizers as one source, where none of them is at hand, and where recordings are."""

import pytest

from speech_rnn.audio import write_audio
from speech_rnn.errors import DataError, MissingExtraError
from speech_rnn.synthesis import espeak, kokoro
from speech_rnn.synthesis.command import Spoken
from speech_rnn.synthesis.custom import Custom
from speech_rnn.synthesis.kokoro import NeuralVoices
from speech_rnn.synthesis.voices import Voices
from tests.tones import tone

FLITE = {"command": ["no-such-program", "{text}", "{file}"], "voices": ["slt"]}


@pytest.fixture
def nothing(tmp_path, monkeypatch):
    """No extra is installed; returns espeak-ng, Kokoro and flite, which all lack something."""
    for module in (espeak, kokoro):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    root = str(tmp_path / "voices")
    return {
        "espeak": Custom(["go"], root),
        "kokoro": NeuralVoices(["go"], root, folder=root),
        "flite": Spoken(["go"], root, **FLITE),
    }


def test_without_any_synthesizer_one_error_says_what_to_install(nothing):
    with pytest.raises(DataError) as caught:
        Voices(**nothing).prepare()
    told = str(caught.value)
    assert told.startswith("none of espeak, kokoro, flite is available: package='espeakng_loader'")
    assert "[synth]" in told
    assert "\n" not in told
    with pytest.raises(MissingExtraError, match=r"\[synth\]"):
        Voices(espeak=nothing["espeak"]).prepare()


def test_recordings_are_never_left_out_with_their_synthesizer(nothing, tmp_path):
    (tmp_path / "mine/go").mkdir(parents=True)
    write_audio(tmp_path / "mine/go/me.wav", tone("low"), 16_000)
    recorded = Custom(["go"], str(tmp_path / "voices"), str(tmp_path / "mine"))
    assert recorded.lack() is None
