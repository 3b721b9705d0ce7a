import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from speech_rnn import cli
from speech_rnn.audio import write_audio
from speech_rnn.language.ngram import NGram
from tests.commands import on_a_terminal, speech_rnn, typed
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


CLIPS = Path(__file__).parent / "clips"
MODEL = ("--model", "model.safetensors")


@pytest.fixture
def transcribe(folder, monkeypatch):
    return typed("transcribe", folder, monkeypatch, *MODEL)


def test_case_34_the_folder_of_a_run_is_its_recogniser(folder, transcribe, tmp_path):
    untrained().save(tmp_path / "recognizer.safetensors")
    result = transcribe("--model", tmp_path, "0.wav")
    assert (result.exit_code, result.stdout) == (0, transcribe("0.wav").stdout)
    result = transcribe("--model", folder / "inner", "0.wav")
    assert result.exit_code == 1
    assert "is a folder without recognizer.safetensors; give the folder of a run" in result.stderr


def test_case_29_a_note_about_a_file_has_no_line_of_source(tmp_path):
    write_audio(tmp_path / "zeros.wav", np.zeros(16_000, np.float32))
    done = speech_rnn("transcribe", "zeros.wav", cwd=tmp_path, apart=True)
    assert done.returncode == 0
    assert done.stderr == "note: zeros.wav: is silent: no sample is above -60 dB of full scale\n"


def test_module_and_console_script_are_the_same_code(folder, transcribe):
    expected = transcribe("0.wav").stdout
    assert expected.strip() in ("low", "middle", "high")
    for module in (True, False):
        result = speech_rnn("transcribe", *MODEL, "0.wav", cwd=folder, module=module)
        assert result.returncode == 0
        assert result.stdout == expected
        assert result.stderr == ""


@pytest.mark.skipif(
    sys.platform in ("win32", "darwin"), reason="the file system takes Unicode names alone"
)
def test_case_f04_a_file_name_that_is_not_utf_8(folder, tmp_path):
    names = [f"caf\xe9{number}.wav".encode("latin-1") for number in range(2)]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes((folder / "0.wav").read_bytes())
    (tmp_path / os.fsdecode(names[1])).write_bytes(b"no sound")
    files = ["0.wav", *(str(tmp_path / os.fsdecode(name)) for name in names), "1.wav"]
    spoken = speech_rnn("transcribe", *MODEL, "--json", *files, cwd=folder)
    rows = [json.loads(line) for line in spoken.stdout.splitlines()]
    assert spoken.returncode == 1
    assert [
        row["file"] for row in rows
    ] == files  # a lone surrogate for each byte, as Python has it
    assert ["error" in row for row in rows] == [False, False, True, False]
    assert rows[1]["text"] == rows[0]["text"]
    plain = speech_rnn("transcribe", *MODEL, *files, cwd=folder)
    assert f"{tmp_path}/caf\\udce90.wav: {rows[0]['text']}" in plain.stdout.splitlines()
    assert plain.stderr.startswith(f"error: {tmp_path}/caf\\udce91.wav: is no sound")


def test_json_has_every_field(transcribe):
    result = transcribe("--json", "2.wav", "0.wav", "1.wav")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["file"] for row in rows] == ["2.wav", "0.wav", "1.wav"]
    for row, seconds in zip(rows, (2.3, 0.3, 1.3), strict=True):
        assert row.keys() == {"file", "duration", "text", "confidence", "words", "evidence"}
        assert row["duration"] == pytest.approx(seconds)
        (word,) = row["words"]
        assert word.keys() == {"word", "start", "end", "confidence"}
        assert word["word"] == row["text"]
        assert word["end"] == pytest.approx(seconds)
        assert 0 < row["confidence"] <= 1


def test_folders(transcribe):
    flat = transcribe("--json", ".")
    assert [json.loads(line)["file"] for line in flat.stdout.splitlines()] == [
        f"{number}.wav" for number in range(3)
    ]
    deep = transcribe("--json", "--recursive", ".")
    assert len(deep.stdout.splitlines()) == 4


def test_standard_input(transcribe):
    result = transcribe("-", stdin=Path("1.wav").read_bytes())
    assert result.stdout.strip() == transcribe("1.wav").stdout.strip()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_terminal_shows_progress_and_a_file_gets_the_answers(tmp_path):
    output, shown = on_a_terminal("transcribe", str(CLIPS / "yes.flac"), cwd=tmp_path)
    assert "%" in shown
    assert output == "yes\n"


def test_a_bad_file_costs_itself_and_the_exit_code(transcribe, tmp_path):
    (tmp_path / "empty.wav").touch()
    np.zeros(3).tofile(tmp_path / "text.wav")
    paths = ("0.wav", tmp_path / "empty.wav", "missing.wav", tmp_path / "text.wav", "1.wav")
    result = transcribe("--json", *paths)
    assert result.exit_code == 1
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert ["error" in row for row in rows] == [False, True, True, True, False]
    assert all(row["file"] in row["error"] for row in rows if "error" in row)
    plain = transcribe(*paths)
    assert plain.exit_code == 1
    assert len(plain.stdout.splitlines()) == 2
    assert plain.stderr.count("error:") == 3
    assert "Traceback" not in plain.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument"),
        (("--sillent", "0.wav"), "No such option"),
        (("--device", "gpu", "0.wav"), "device='gpu' must be"),
        (("--batch-size", "0", "0.wav"), "--batch-size"),
        (("inner/..", "--model", "0.wav"), "cannot be read as a Recognizer"),
    ],
)
def test_wrong_use(transcribe, arguments, message):
    result = transcribe(*arguments)
    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_the_next_best_classes(transcribe):
    lines = transcribe("--n-best", 2, "0.wav").stdout.splitlines()
    confidences, words = zip(*(line.split() for line in lines), strict=True)
    assert sorted(map(float, confidences), reverse=True) == [*map(float, confidences)]
    assert len(set(words)) == 2


def test_a_beam_and_its_next_best_sequences(folder, transcribe):
    untrained("words", blank_bias=0.0).save(folder / "sequences.safetensors")
    model = ("--model", "sequences.safetensors")
    row = json.loads(transcribe(*model, "--json", "--beam", 20, "--n-best", 3, "1.wav").stdout)
    answers = [row, *row["alternatives"]]
    assert len({answer["text"] for answer in answers}) == len(answers) == 3
    confidences = [answer["confidence"] for answer in answers]
    assert sorted(confidences, reverse=True) == confidences
    for answer in answers:
        times = [time for word in answer["words"] for time in (word["start"], word["end"])]
        assert times == sorted(times)
        assert len(answer["words"]) == len(answer["text"].split())
    refused = transcribe(*model, "--n-best", 3, "1.wav")
    assert refused.exit_code == 2
    assert "n_best=3 sequences need a beam" in refused.stderr
    refused = transcribe(*model, "--beam", 2, "--n-best", 3, "1.wav")
    assert refused.exit_code == 2
    assert "n_best=3 is more than beam=2 holds" in refused.stderr
    assert transcribe(*model, "--beam", 0, "1.wav").exit_code == 2


def test_a_grammar(folder, transcribe):
    untrained("words", blank_bias=0.0).save(folder / "sequences.safetensors")
    (folder / "twice.jsgf").write_text("<twice> = low high | high low;")
    (folder / "wrong.jsgf").write_text("<twice> = low\n| hihg;")
    model = ("--model", "sequences.safetensors", "--grammar")
    result = transcribe(*model, "twice.jsgf", "0.wav", "1.wav", "2.wav")
    answers = [line.partition(": ")[2] for line in result.stdout.splitlines()]
    assert len(answers) == 3
    assert set(answers) <= {"low high", "high low"}
    row = json.loads(transcribe(*model, "twice.jsgf", "--reject", 1, "--json", "1.wav").stdout)
    assert (row["text"], row["reason"]) == ("", "unknown")
    wrong = transcribe(*model, "wrong.jsgf", "0.wav")
    assert wrong.exit_code == 2
    assert "wrong.jsgf, line 2, column 3: text='hihg'" in wrong.stderr
    assert "did you mean 'high'?" in wrong.stderr
    missing = transcribe(*model, "none.jsgf", "0.wav")
    assert missing.exit_code != 0
    assert "cannot be read" in missing.stderr


def test_a_language_model_and_hot_words(folder, transcribe):
    untrained("words", stack=2).save(folder / "sequences.safetensors")
    NGram.estimate([["low", "high"]] * 3, 2).save(folder / "lm.arpa")
    NGram.estimate([["l", "o", "w"]], 2).save(folder / "letters.arpa")
    NGram.estimate([["lows"]], 2).save(folder / "other.arpa")
    model = ("--model", "sequences.safetensors")
    fused = transcribe(*model, "--lm", "lm.arpa", "--lm-weight", "2", "0.wav")
    hot = transcribe(*model, "--hot-word", "high=30", "--n-best", "2", "--json", "0.wav")
    assert fused.exit_code == hot.exit_code == 0, fused.output + hot.output
    row = json.loads(hot.stdout)
    assert "high" in row["text"]
    assert len(row["alternatives"]) == 1
    for arguments, message in (
        (("--lm", "letters.arpa"), "is a language model of characters"),
        (
            ("--lm", "other.arpa"),
            "with them; did you mean 'low'?",
        ),
        (("--lm", "missing.arpa"), "does not exist"),
        (("--hot-word", "high"), "must be WORD=BONUS"),
        (("--n-best", "2"), "need a beam"),
        (("--lm", "lm.arpa", *MODEL), "need a recogniser of sequences"),
    ):
        # What does not fit is told before a file is looked for.
        result = transcribe(*model, *arguments, "missing.wav")
        assert result.exit_code in (1, 2)
        assert message in result.output
        assert "missing.wav" not in result.output


def test_the_next_best_sentences_of_a_grammar(folder, transcribe):
    untrained("words", stack=2).save(folder / "sequences.safetensors")
    (folder / "pairs.jsgf").write_text("<pair> = (low | high) (middle | high);")
    model = ("--model", "sequences.safetensors", "--grammar", "pairs.jsgf", "--n-best", "3")
    row = json.loads(transcribe(*model, "--json", "1.wav").stdout)
    answers = [row, *row["alternatives"]]
    assert len({answer["text"] for answer in answers}) == 3
    confidences = [answer["confidence"] for answer in answers]
    assert confidences == sorted(confidences, reverse=True)


def test_help_lists_the_verbs():
    shown = CliRunner().invoke(cli.app, ["--help"]).stdout
    for verb in ("train", "evaluate", "transcribe", "generate", "recipes"):
        assert verb in shown
