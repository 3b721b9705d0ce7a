"""Words and paths of a command line reach the configuration as they were typed."""

from pathlib import Path

import pytest

from speech_rnn.config.app import as_typed, compose, parsed
from speech_rnn.config.quoting import quoted
from speech_rnn.errors import ConfigurationError
from tests.commands import speech_rnn

PATHS = (
    "/home/müller/clips",
    "run=3/clips",
    "a, b/(c) [d] {e}",
    "it's #1 ☃",
    "[clips]",
    "1",
    "true",
    "50 % $HOME @x:y",
    "C:\\clips\\a",
    "C:\\clips\\",
    'a "b" c',
)


def value(line):
    (override,) = parsed([quoted(line)])
    return override.value()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "key", ["data.root", "output_dir", "+recordings", "model_file", "words_file"]
)
def test_case_17_a_path_stands_as_it_is_typed(key, path):
    assert value(f"{key}={path}") == path


def test_case_17_a_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/müller")
    assert value("data.root=~/speech data/run=1") == "/home/müller/speech data/run=1"
    assert value("data.noise=[~/a,run=1/b.wav]") == ["/home/müller/a", "run=1/b.wav"]
    assert value("data.root=a~b") == "a~b"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("words=[grün,tür auf]", ["grün", "tür auf"]),
        ("words=[don't,stop]", ["don't", "stop"]),
        ("words=[打开, 关闭]", ["打开", "关闭"]),
        ("words=['tis,don't]", ["'tis", "don't"]),
        ("words=['one, two',\"tür\",go (now)]", ["one, two", "tür", "go (now)"]),
        ("words=[lights on,lights off]", ["lights on", "lights off"]),
        ("words=[yes,no,on,off]", ["yes", "no", "on", "off"]),
        ("data.words=[1,2,true,null]", ["1", "2", "true", "null"]),
        ("words=yes,no", ["yes", "no"]),
        ('words=["grün","tür auf"]', ["grün", "tür auf"]),
        ("words=[]", []),
        ("voices=kokoro,flite", ["kokoro", "flite"]),
        ("voices=kokoro", "kokoro"),
        ("background=~/room,b", [f"{Path.home()}/room", "b"]),
        ("augment.rooms.recordings=[ü,b]", ["ü", "b"]),
        ("+augment.noise.recordings=[my street,ü]", ["my street", "ü"]),
        ("conditions.talk=[my talk,ü]", ["my talk", "ü"]),
    ],
)
def test_case_18_words_stand_as_they_are_typed(line, words):
    assert value(line) == words


@pytest.mark.parametrize(
    "line",
    [
        "data.root=null",
        "data.root='a b'",
        "data.root=${paths.data}/x",
        "seed=1,2",
        "seed=[1",
        "~a",
        "augment.rooms.recordings=[a,b]",
    ],
)
def test_values_that_hydra_reads_correctly_are_unchanged(line):
    assert quoted(line) == line


def test_commas_part_the_values_of_a_sweep():
    assert quoted("data.root=a,b", multirun=True) == "data.root=a,b"
    assert quoted("data.root=ä,run=1", multirun=True) == "data.root='ä','run=1'"


def test_case_17_paths_reach_the_configuration(tmp_path):
    lines = ["data=folder", "data.root=run=1/ü", "output_dir=a, b", "data.words=[grün,don't]"]
    cfg = compose("train", as_typed([quoted(line) for line in lines]))
    assert (cfg.data.root, cfg.output_dir, cfg.data.words) == ("run=1/ü", "a, b", ["grün", "don't"])


@pytest.mark.parametrize("name", ["müller", "run=3", "a (b) [c]", "it's #1"])
def test_case_17_a_command_with_such_a_path(name, tmp_path):
    result = speech_rnn("train", "+recipe=keywords", f"data.root={name}", cwd=tmp_path)
    assert (
        result.stderr
        == f"error: root={name!r} is not a folder; it must hold one folder for each word\n"
    )
    result = speech_rnn("evaluate", f"model={name}/m.safetensors", "+recipe=demo", cwd=tmp_path)
    assert f"{name}/m.safetensors" in result.stderr.replace("\\'", "'")
    assert "Traceback" not in result.stderr


def test_a_home_folder_in_a_recipe_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "conf/recipe").mkdir(parents=True)
    (tmp_path / "conf/recipe/mine.yaml").write_text(
        "# @package _global_\ndefaults: [override /data: folder]\ndata: {root: ~/none}\n"
    )
    result = speech_rnn("train", "--config-dir", "conf", "+recipe=mine", cwd=tmp_path)
    assert f"root={str(tmp_path / 'none')!r} is not a folder" in result.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("trainer.max_epochs=[1", "quote it twice: 'trainer.max_epochs=\"\\[1\"'"),
        ("grün", "'grün' on the command line has no value; write KEY=VALUE"),
    ],
)
def test_an_unparsable_override_is_reported_with_a_correct_one(line, message):
    with pytest.raises(ConfigurationError, match=message):
        parsed([quoted(line)])
