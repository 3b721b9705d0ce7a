import json
import subprocess
import sys

import numpy as np
import pytest

from speech_rnn.audio import write_audio
from tests.commands import speech_rnn
from tests.test_recognizer import untrained
from tests.tones import tone


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    untrained().save(folder / "model.safetensors")
    for number, word in enumerate(("low", "high", "middle")):
        write_audio(folder / f"{number}.wav", tone(word, 0.3 + number))
    (folder / "inner").mkdir()
    write_audio(folder / "inner/deep.flac", tone("low"))
    (folder / "notes.txt").write_text("no sound")
    return folder


def transcribe(folder, *arguments, **options):
    model = ("--model", "model.safetensors")
    return speech_rnn("transcribe", *model, *arguments, cwd=folder, **options)


@pytest.mark.parametrize("module", [True, False])
def test_one_file_prints_its_text_alone(folder, module):
    result = transcribe(folder, "0.wav", module=module)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() in ("low", "middle", "high")
    assert result.stderr == ""


def test_the_console_script_is_the_same_code(folder):
    code = "from speech_rnn.cli import main; main()"
    script = subprocess.run(
        [sys.executable, "-c", code, "transcribe", "--model", "model.safetensors", "0.wav"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert script.stdout == transcribe(folder, "0.wav").stdout


def test_json_has_every_field(folder):
    result = transcribe(folder, "--json", "2.wav", "0.wav", "1.wav")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["file"] for row in rows] == ["2.wav", "0.wav", "1.wav"]
    for row, seconds in zip(rows, (2.3, 0.3, 1.3), strict=True):
        assert row.keys() == {"file", "duration", "text", "confidence", "words"}
        assert row["duration"] == pytest.approx(seconds)
        (word,) = row["words"]
        assert word.keys() == {"word", "start", "end", "confidence"}
        assert word["word"] == row["text"]
        assert word["end"] == pytest.approx(seconds)
        assert 0 < row["confidence"] <= 1


def test_folders(folder):
    flat = transcribe(folder, "--json", ".")
    assert [json.loads(line)["file"] for line in flat.stdout.splitlines()] == [
        f"{number}.wav" for number in range(3)
    ]
    deep = transcribe(folder, "--json", "--recursive", ".")
    assert len(deep.stdout.splitlines()) == 4


def test_standard_input(folder):
    result = transcribe(folder, "-", stdin=(folder / "1.wav").read_bytes())
    assert result.stdout.decode().strip() == transcribe(folder, "1.wav").stdout.strip()


def test_a_bad_file_costs_itself_and_the_exit_code(folder, tmp_path):
    (tmp_path / "empty.wav").touch()
    np.zeros(3).tofile(tmp_path / "text.wav")
    paths = ("0.wav", tmp_path / "empty.wav", "missing.wav", tmp_path / "text.wav", "1.wav")
    result = transcribe(folder, "--json", *paths)
    assert result.returncode == 1
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert ["error" in row for row in rows] == [False, True, True, True, False]
    assert all(row["file"] in row["error"] for row in rows if "error" in row)
    plain = transcribe(folder, *paths)
    assert plain.returncode == 1
    assert len(plain.stdout.splitlines()) == 2
    assert plain.stderr.count("error:") == 3
    assert "Traceback" not in plain.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument"),
        (("--sillent", "0.wav"), "No such option"),
        (("--device", "gpu", "0.wav"), "device='gpu' must be"),
        (("--batch-size", "0", "0.wav"), "0 is not in the range"),
        (("inner/..", "--model", "0.wav"), "cannot be read as a Recognizer"),
    ],
)
def test_wrong_use(folder, arguments, message):
    result = transcribe(folder, *arguments)
    assert result.returncode in (1, 2)
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_help_lists_the_verbs(folder):
    result = subprocess.run(
        [sys.executable, "-m", "speech_rnn", "--help"], capture_output=True, text=True, check=True
    )
    for verb in ("train", "evaluate", "transcribe", "recipes"):
        assert verb in result.stdout
