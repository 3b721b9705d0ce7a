import json
import re

import pytest

from speech_rnn import Recognizer
from speech_rnn.audio import AUDIO_SUFFIXES
from speech_rnn.exporting import export_onnx
from speech_rnn.starter import CARD, STARTER
from tests.commands import speech_rnn
from tests.real import SHARED, needs_shared
from tests.test_recognizer import untrained

COMMANDS = ["yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"]
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
PHRASES = ["alexa", "computer", "jarvis", "smart mirror", "snowboy", "view glass"]


def test_the_starter_is_small_and_follows_streams():
    assert STARTER.stat().st_size <= 1_000_000
    starter = Recognizer.load()
    assert starter.can_stream
    assert starter.description["onnx"]["precision"] == "int8"
    assert sorted(starter.vocabulary.words) == sorted([*DIGITS, *COMMANDS, *PHRASES])


def test_words_of_synthetic_speech_only_are_marked(tmp_path):
    told = speech_rnn("models", cwd=tmp_path).stdout
    assert re.search(r"trained on recordings: .*seven.*stop.*view glass", told)
    assert "synthetic speech only" not in told
    assert str(CARD) in told
    found = json.loads(speech_rnn("models", "--json", cwd=tmp_path).stdout)
    assert found["synthetic_words"] == []
    assert found["bytes"] == STARTER.stat().st_size
    recognizer = untrained()
    recognizer.provenance["synthetic_words"] = [recognizer.vocabulary.words[0]]
    recognizer.save(tmp_path / "mine.safetensors")
    told = speech_rnn("models", "mine.safetensors", cwd=tmp_path).stdout
    assert f"trained on synthetic speech only: {recognizer.vocabulary.words[0]}\n" in told


def test_other_files_are_described_as_well(tmp_path):
    recognizer = untrained()
    recognizer.save(tmp_path / "mine.safetensors")
    (tmp_path / "mine.onnx").write_bytes(export_onnx(recognizer).SerializeToString())
    done = speech_rnn("models", "mine.safetensors", "mine.onnx", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"words: {', '.join(recognizer.vocabulary.words)}") == 2
    gone = speech_rnn("models", "gone.onnx", cwd=tmp_path)
    assert gone.returncode == 1
    assert "gone.onnx" in gone.stderr


@needs_shared
@pytest.mark.parametrize("module", [True, False])
def test_commands_need_no_model(tmp_path, module):
    clip = SHARED / "digits/7_george_3.wav"
    assert speech_rnn("transcribe", clip, cwd=tmp_path, module=module).stdout == "seven\n"
    phrase = next((SHARED / "keywords/computer").iterdir())
    assert phrase.suffix in AUDIO_SUFFIXES
    for line in (["spot", phrase], ["listen", "--input", phrase, "--fast"]):
        done = speech_rnn(*line, "--json", cwd=tmp_path, module=module)
        words = [json.loads(event)["word"] for event in done.stdout.splitlines()]
        assert words == ["computer"], done.stderr
