"""The command, recognisers that cannot take part, and the engines of others themselves."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest

from speech_rnn.audio import load_audio
from speech_rnn.benchmarking.wake import display, named_models, running
from speech_rnn.benchmarking.wake.contenders import RIVALS, rivals
from speech_rnn.benchmarking.wake.rival import RATE, run_rival
from speech_rnn.data.folder import Folder
from speech_rnn.errors import ConfigurationError
from speech_rnn.starter import STARTER
from tests.benchmarking.wake.test_streams import write_words
from tests.commands import speech_rnn
from tests.detection.test_det_curve import Sound
from tests.listeners import train_listener
from tests.real import SHARED, needs_shared
from tests.test_recognizer import untrained

PACKAGES = {
    "openWakeWord": "pyopen_wakeword",
    "microWakeWord": "pymicro_wakeword",
    "wakeforge": "ovos_ww_plugin_wakeforge",
}
each_rival = pytest.mark.parametrize("name", RIVALS)


def rival(name, word="alexa"):
    """Return an engine, or skip a test where it is absent."""
    if not find_spec(PACKAGES[name]):
        pytest.skip(f"{name} is absent: the package {PACKAGES[name]} of the extra [peers]")
    return RIVALS[name]([word])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_words(tmp_path_factory.mktemp("wake"))
    train_listener(bidirectional=False).save(folder / "tones.safetensors")
    return folder


def drawn_at_once(report, file):
    """Stand for the picture, which takes seconds; `test_report.py` draws one."""
    file.write_bytes(b"")
    return file


@pytest.mark.slow
def test_the_command(folder, monkeypatch):
    """Within this process; the slow test below runs the contenders in processes of their own."""
    monkeypatch.setattr(
        running, "ProcessPoolExecutor", lambda jobs, *_, **__: ThreadPoolExecutor(jobs)
    )
    monkeypatch.setattr(display, "draw_wake", drawn_at_once)
    given = ("--keywords", "words", "--model", "tones.safetensors", "--word", "low")
    more = ("--word", "high", "--hours", 0.02, "--snr-db", 10, "--room", "hall.wav", "--rounds", 1)
    done = speech_rnn("benchmark", "wake", *given, *more, "--output", "out", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "wakeforge is left out: it has no model of low, high" in done.stdout
    assert "tones, hall, own thresholds: low " in done.stdout
    found = json.loads((folder / "out/wake.json").read_text())
    assert found["command"].startswith("python -m speech_rnn.benchmark wake --keywords words")
    own = {each["word"]: each for each in found["own_thresholds"]}
    assert list(own["low"]["found"]) == ["clean", "10 dB", "hall"]
    for word in ("low", "high"):
        clean = own[word]["found"]["clean"]
        assert clean["n_hits"] == clean["n_labels"] > 0
    assert found["costs"][0]["contender"] == "tones"
    assert found["costs"][0]["n_bytes"] == (folder / "tones.safetensors").stat().st_size
    assert (folder / "out/wake.csv").is_file()
    assert (folder / "out/wake.png").is_file()
    again = speech_rnn("benchmark", "wake", *given, *more, "--output", "out", cwd=folder)
    assert "own thresholds: low" not in again.stdout  # nothing is heard twice
    anew = json.loads((folder / "out/wake.json").read_text())
    assert anew["own_thresholds"] == found["own_thresholds"]


def test_without_the_name_of_a_command_it_is_speed(tmp_path):
    done = speech_rnn("benchmark", "nonsense", cwd=tmp_path, module=True)
    assert done.returncode == 2
    assert "must be chosen from features, clip" in done.stderr


def test_recognisers_that_cannot_take_part_are_refused(folder):
    untrained().save(folder / "clips.safetensors")
    tones = folder / "tones.safetensors"
    with pytest.raises(ConfigurationError, match="cannot listen:\nbidirectional=True"):
        named_models([folder / "clips.safetensors"], ["low"])
    with pytest.raises(
        ConfigurationError, match=r"has none of the words alexa; give .* --word: low"
    ):
        named_models([tones], ["alexa"])
    with pytest.raises(ConfigurationError, match="is given twice"):
        named_models([tones, tones], ["low"])


def test_a_recogniser_is_called_by_its_file_or_the_folder_of_its_run(folder):
    (folder / "run").mkdir()
    train_listener(bidirectional=False).save(folder / "run/recognizer.safetensors")
    files = [folder / "run", folder / "tones.safetensors", STARTER]
    found = named_models(files[:2], ["low", "alexa"]) + named_models(files[2:], ["low", "alexa"])
    assert [(one.name, one.words) for one in found] == [
        ("run", ("low",)),
        ("tones", ("low",)),
        ("starter", ("alexa",)),
    ]


def test_an_engine_that_is_absent_names_the_line_that_installs_it(monkeypatch):
    for package in PACKAGES.values():
        monkeypatch.setitem(sys.modules, package, None)
    found, missing = rivals(["alexa", "computer"])
    assert found == []
    for name, package in PACKAGES.items():
        assert missing[name].startswith(f"package='{package}' is not installed: run  pip install")
        assert "[peers]" in missing[name]


@each_rival
def test_an_engine_gives_a_score_for_each_chunk_and_none_for_silence(name):
    engine = rival(name)
    scores = [engine.push(np.zeros(1280, np.int16)) for _ in range(50)]
    assert all(len(row) == 1 and 0 <= row[0] < engine.thresholds["alexa"] for row in scores)
    assert all(file.is_file() for file in engine.files)


@pytest.mark.slow
@needs_shared
@each_rival
def test_an_engine_finds_its_word(name):
    engine = rival(name)
    clips = Folder(str(SHARED / "keywords"), ["alexa", "jarvis"], noise=()).prepare().split("test")
    silence = np.zeros(2 * RATE, np.float32)
    found = {
        word: [
            bool(run_rival(engine, Sound(_said(row, silence), ()), ()).words)
            for row in [row for row in clips if row.text == word][:6]
        ]
        for word in ("alexa", "jarvis")
    }
    assert sum(found["alexa"]) >= 5
    assert sum(found["jarvis"]) <= 1


def _said(row, silence):
    return np.concatenate([silence, load_audio(row.audio, RATE), silence])


@pytest.mark.slow(minutes=2)
@needs_shared
def test_minutes_of_words_in_talk_and_noise(tmp_path):
    given = ("--keywords", SHARED / "keywords", "--model", STARTER, "--speech", SHARED / "speech")
    more = ("--noise", SHARED / "noise/running_tap.wav", "--room", SHARED / "rir/rir1.wav")
    some = ("--snr-db", 10, "--hours", 0.03, "--rounds", 2, "--output", "out")
    done = speech_rnn("benchmark", "wake", *given, *more, *some, cwd=tmp_path, timeout=1200)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out/wake.json").read_text())
    present = {name for name, package in PACKAGES.items() if find_spec(package)}
    own = {(each["contender"], each["word"]): each["found"] for each in found["own_thresholds"]}
    assert {name for name, _ in own} == {"starter", *present}
    assert found["missing"].keys() == PACKAGES.keys() - present
    assert {len(conditions) for conditions in own.values()} == {3}
    for (name, word), conditions in own.items():
        if word == "alexa":
            assert conditions["clean"]["n_labels"] >= 2
            assert conditions["clean"]["miss_rate"] <= 0.5, name
    assert {cost["contender"] for cost in found["costs"]} == {"starter", *present}
