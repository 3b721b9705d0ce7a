import pytest

from speech_rnn.audio import write_audio
from speech_rnn.recognizer import Recognizer
from tests.commands import speech_rnn
from tests.real import SHARED, needs_shared
from tests.recipes.runs import evaluate, train, transcribe
from tests.tones import tone

pytest.importorskip("espeakng_loader", reason="speech is synthesized with the extra [synth]")

FEW = (
    "data.kokoro=null",
    "data.flite=null",
    "data.espeak.train_clips=12",
    "data.espeak.validation_clips=3",
    "data.espeak.test_clips=3",
    "negatives.others.n_words=16",
    "negatives.others.n_talk=8",
    "negatives.others.clips=1",
    "augment.noise.seconds=5",
    *(f"connected.{split}_utterances=16" for split in ("train", "validation", "test")),
)


def test_words_and_recordings_of_ones_own(tmp_path):
    (tmp_path / "mine/lights_on").mkdir(parents=True)
    write_audio(tmp_path / "mine/lights_on/me.wav", tone("low"), 16_000)
    mine = ("words=[lights on,lights off]", f"recordings={tmp_path / 'mine'}")
    metrics = train("custom", tmp_path, *mine, *FEW, "+debug=fast")
    # 12 clips of two words, the recording 8 times, 12 of 16 other words and 6 of 8
    # stretches of talk once each.
    assert metrics["n_clips"]["train"] == 2 * 12 + 8 + 12 + 6
    recognizer = Recognizer.load(tmp_path / "run/recognizer.safetensors")
    assert recognizer.can_stream
    assert {"lights on", "lights off"} == set(recognizer.vocabulary.words)
    assert recognizer.answers_as_it_listens
    assert recognizer.calibration.silence_seconds == 0.2
    clip = next((tmp_path / "data/voices").rglob("lights_on/test*.wav"))
    (row,) = transcribe(tmp_path, clip)
    assert set(row["text"].split()) <= {"lights", "on", "off"}


def test_words_must_be_given(tmp_path):
    result = speech_rnn("train", "+recipe=custom", cwd=tmp_path)
    assert result.returncode == 2
    assert "words must be given: words=[lights on,lights off], or words_file=FILE" in result.stderr


@needs_shared
@pytest.mark.slow(minutes=1)
def test_people_are_recognised_after_training_on_synthetic_speech_only(tmp_path):
    words = "words=[smart mirror,snowboy,view glass]"
    short = ("trainer.max_epochs=4", "data.espeak.train_clips=40", "negatives.others.n_words=100")
    short += ("connected.train_utterances=500", "connected.test_utterances=40")
    short += ("data.kokoro=null", "data.flite=null", "negatives.others.n_talk=100")
    train("custom", tmp_path, words, *short)
    people = (f"data.root={SHARED / 'keywords'}", "data.words=[smart mirror,snowboy,view glass]")
    assert evaluate("keywords", tmp_path, *people)["accuracy"]["accuracy"] >= 0.5
