import pytest

from speech_rnn.audio import write_audio
from speech_rnn.recognizer import Recognizer
from tests.commands import speech_rnn
from tests.recipes.runs import train
from tests.tones import tone

pytest.importorskip("espeakng_loader", reason="speech is synthesized with the extra [synth]")

FEW = ("data.espeak.train_clips=6", "data.espeak.validation_clips=2", "data.espeak.test_clips=2")


def test_words_of_ones_own_become_what_can_stream(tmp_path):
    (tmp_path / "mine/lights_on").mkdir(parents=True)
    write_audio(tmp_path / "mine/lights_on/me.wav", tone("low"), 16_000)
    train(
        "custom_stream",
        tmp_path,
        "words=[lights on,lights off]",
        f"recordings={tmp_path / 'mine'}",
        "data.kokoro=null",
        "data.flite=null",
        *FEW,
        "negatives.others.n_words=16",
        "negatives.others.clips=1",
        *(f"connected.{split}_utterances=16" for split in ("train", "validation", "test")),
        "+debug=fast",
    )
    recognizer = Recognizer.load(tmp_path / "run/recognizer.safetensors")
    assert recognizer.can_stream
    assert {"lights on", "lights off"} <= set(recognizer.vocabulary.tokens)


def test_words_must_be_given(tmp_path):
    result = speech_rnn("train", "+recipe=custom_stream", cwd=tmp_path)
    assert result.returncode == 2
    assert "words must be given: words=[lights on,lights off], or words_file=FILE" in result.stderr
