"""Words in recordings of any length, through the command line, with a recogniser that hears."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.audio import resample, write_audio
from speech_rnn.decoding.hypothesis import Word
from speech_rnn.errors import ConfigurationError, Stopped
from speech_rnn.exporting import write_onnx
from speech_rnn.listening.events import Event
from speech_rnn.listening.files import FileEnd, spot_files
from speech_rnn.listening.interrupts import Stop
from speech_rnn.listening.writers import document_paths
from speech_rnn.streaming.gate import Gating
from tests.commands import on_a_terminal, speech_rnn, typed
from tests.listeners import RATE, scene, train_listener
from tests.streaming.test_streaming import is_right
from tests.test_recognizer import untrained

SAID = ["low", "high", "high", "middle", "low"]
MODEL = ("--model", "model.safetensors")
EXPORTED = ("--model", "model.onnx")
"""The same recogniser for processes of their own, which need not load torch for it."""
POSIX = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no such signals and terminals"
)


@pytest.fixture(scope="module")
def listener():
    return train_listener(bidirectional=False)


@pytest.fixture(scope="module")
def folder(listener, tmp_path_factory):
    """A folder with a model and scenes of several rates, channels and kinds."""
    folder = tmp_path_factory.mktemp("recordings")
    listener.save(folder / "model.safetensors")
    write_onnx(listener, folder / "model.onnx", streaming=True)
    untrained("words", bidirectional=True).save(folder / "cannot.safetensors")
    waveform, _ = scene(SAID, seed=5)
    write_audio(folder / "scene.wav", waveform)
    stereo = resample(waveform, RATE, 44_100)[:, None].repeat(2, axis=1) * [1.5, 0.5]
    (folder / "inner").mkdir()
    soundfile.write(folder / "inner/stereo.flac", stereo, 44_100)
    return folder


@pytest.fixture(scope="module")
def truth():
    return scene(SAID, seed=5)[1]


@pytest.fixture
def spot(folder, monkeypatch):
    return typed("spot", folder, monkeypatch, *MODEL)


def events_of(result):
    assert result.exit_code == 0, result.output
    return [Event(**json.loads(line)) for line in result.stdout.splitlines()]


def test_module_and_console_script_find_the_same(folder, spot, truth):
    expected = spot("scene.wav").stdout
    lines = [line.split() for line in expected.splitlines()]
    assert is_right([Word(word, *map(float, numbers)) for *numbers, word in lines], truth)
    for module in (True, False):
        result = speech_rnn("spot", *MODEL, "scene.wav", cwd=folder, module=module)
        assert (result.returncode, result.stdout, result.stderr) == (0, expected, "")


def test_json_lines_of_a_folder(spot, truth):
    found = events_of(spot("--json", "--recursive", "."))
    assert {event.file for event in found} == {"scene.wav", "inner/stereo.flac"}
    for file in ("scene.wav", "inner/stereo.flac"):  # another rate, two channels
        assert is_right([event for event in found if event.file == file], truth)
    assert spot("scene.wav", "inner/stereo.flac").stdout.startswith("scene.wav: ")


def test_standard_input(spot):
    content = Path("scene.wav").read_bytes()
    found = events_of(spot("--json", "-", stdin=content))
    alone = events_of(spot("--json", "scene.wav"))
    assert [(event.word, event.start, event.end) for event in found] == [
        (event.word, event.start, event.end) for event in alone
    ]
    assert {event.file for event in found} == {"-"}


def test_a_document_a_file(spot, truth, tmp_path):
    for form, suffix in (
        ("csv", ".csv"),
        ("audacity", ".labels.txt"),
        ("textgrid", ".TextGrid"),
        ("webvtt", ".vtt"),
    ):
        result = spot("--format", form, "--output-dir", tmp_path, "--recursive", ".")
        assert (result.exit_code, result.stdout) == (0, "")
        alone = spot("--format", form, "scene.wav")
        assert (tmp_path / f"scene{suffix}").read_text() == alone.stdout
        assert (tmp_path / f"inner/stereo{suffix}").exists()
    assert len(list(tmp_path.rglob("*.*"))) == 8
    rows = list(csv.DictReader((tmp_path / "scene.csv").open()))
    assert [row["word"] for row in rows] == SAID
    both = spot("--format", "csv", "--recursive", ".").stdout.splitlines()
    assert len(both) == 1 + 2 * len(SAID)


def test_two_documents_of_one_name(tmp_path):
    paths = document_paths(["a/x.wav", "b/x.wav"], tmp_path, ".csv")
    assert list(paths.values()) == [tmp_path / "a/x.csv", tmp_path / "b/x.csv"]
    with pytest.raises(ConfigurationError, match=r"a/x\.wav and a/x\.flac would have one name"):
        document_paths(["a/x.wav", "a/x.flac"], tmp_path, ".csv")


def test_a_bad_file_costs_itself_and_the_exit_code(spot, tmp_path):
    (tmp_path / "empty.wav").touch()
    result = spot("--json", tmp_path / "empty.wav", "scene.wav", "missing.wav")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert [row.get("word", "error") for row in rows] == ["error", *SAID, "error"]
    assert [line.partition(": ")[0] for line in result.stderr.splitlines()] == ["error"] * 2
    documents = spot("--format", "csv", "--output-dir", tmp_path, "missing.wav", "scene.wav")
    assert documents.exit_code == 1
    assert [path.name for path in tmp_path.glob("*.csv")] == ["scene.csv"]


def test_a_document_that_cannot_be_written_costs_its_file(spot, folder, tmp_path):
    whole = (folder / "scene.wav").read_bytes()
    for name in ("long" + "x" * 246, os.fsdecode("\xe9".encode("latin-1")), "fits"):
        (tmp_path / f"{name}.wav").write_bytes(whole)
    result = spot("--format", "audacity", "--output-dir", tmp_path / "out", tmp_path)
    assert result.exit_code == 1
    assert [line[:6] for line in result.stderr.splitlines()] == ["error:"]
    assert "cannot be written (File name too long)" in result.stderr
    assert {os.fsencode(path.name) for path in (tmp_path / "out").iterdir()} == {
        b"fits.labels.txt",
        b"\xe9.labels.txt",
    }


def test_a_damaged_file_is_processed_up_to_the_damage(spot, truth, tmp_path):
    waveform, _ = scene(SAID, seed=5)
    soundfile.write(tmp_path / "whole.flac", waveform, RATE)
    content = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "short.flac").write_bytes(content[: len(content) * 2 // 3])
    result = spot(tmp_path / "short.flac")
    words = [line.split()[-1] for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert "short.flac: is cut short" in result.stderr
    assert 2 <= len(words) < len(SAID)
    assert words == SAID[: len(words)]


def test_nan_samples_shift_no_times(spot, truth, tmp_path):
    waveform, _ = scene(SAID, seed=5)
    waveform[100:300] = np.nan
    waveform[400] = 3.0
    soundfile.write(tmp_path / "odd.wav", waveform, RATE, subtype="FLOAT")
    result = spot("--json", tmp_path / "odd.wav")
    assert result.exit_code == 1
    assert "200 samples that are not numbers" in result.stderr
    assert "note: " in result.stderr
    assert "1 samples beyond full scale" in result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert is_right([Event(**row) for row in rows if "word" in row], truth)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--threshold", "1.5", "scene.wav"), "threshold=1.5 must be above 0 and at most 1"),
        (("--threshold", "0", "scene.wav"), "threshold=0.0 must be"),
        (("--word-threshold", "low=-1", "scene.wav"), "thresholds['low']=-1.0 must be"),
        (("--word-threshold", "low", "scene.wav"), "word_threshold='low' must be WORD=THRESHOLD"),
        (("--word-threshold", "lov=0.5", "scene.wav"), "did you mean 'low'?"),
        (("--release", "2", "scene.wav"), "release=2.0"),
        (("--min-seconds", "-1", "scene.wav"), "min_seconds=-1.0"),
        (("--gate-margin-db", "3", "scene.wav"), "gate_margin_db=3.0 needs a gate"),
        (("--gate", "--gate-floor-seconds", "0", "scene.wav"), "floor_seconds=0.0 must be 1 s"),
        (("--format", "srt", "scene.wav"), "format='srt' must be one of csv, audacity"),
        (("--json", "--format", "csv", "scene.wav"), "cannot be combined"),
        (("--format", "webvtt", "scene.wav", "scene.wav"), "--output-dir DIR"),
        (("--output-dir", "out", "scene.wav"), "needs --format"),
        (("--model", "cannot.safetensors", "missing.wav"), "+recipe=custom 'words=["),
        (("--device", "gpu", "scene.wav"), "device='gpu' must be"),
        ((), "Missing argument"),
    ],
)
def test_wrong_use(spot, arguments, message):
    result = spot(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert "missing.wav" not in result.stderr
    assert "Traceback" not in result.stderr


def test_settings_decide(spot, truth):
    words = [event.word for event in events_of(spot("--json", "scene.wav"))]
    fewer = events_of(spot("--json", "--word-threshold", "low=1", "scene.wav"))
    assert [event.word for event in fewer] == [word for word in words if word != "low"]
    assert is_right(events_of(spot("--json", "--gate", "scene.wav")), truth)
    assert events_of(spot("--json", "--min-seconds", "2", "scene.wav")) == []


def in_blocks(listener, folder, gating, **settings):
    """Return the events of two files, and the end of the last one."""
    files = [(name, folder / name) for name in ("scene.wav", "inner/stereo.flac")]
    items = list(spot_files(listener, files, gating=gating, **settings))
    return [item for item in items if isinstance(item, Event)], items[-1]


@pytest.fixture(scope="module")
def usual(listener, folder):
    """Return the events found in blocks of the default length, with and without a gate."""
    return {gating: in_blocks(listener, folder, gating) for gating in (None, Gating())}


@pytest.mark.slow
@settings(max_examples=12)
@given(block_seconds=st.floats(0.001, 12.0), gating=st.sampled_from([None, Gating()]))
def test_blocks_change_nothing(listener, folder, usual, block_seconds, gating):
    events, end = in_blocks(listener, folder, gating, block_seconds=block_seconds)
    expected, whole = usual[gating]
    assert end == whole
    assert len(events) == 2 * len(SAID)
    for event, same in zip(events, expected, strict=True):
        assert (event.word, event.start, event.end) == (same.word, same.start, same.end)
        assert event.confidence == pytest.approx(same.confidence, abs=1e-4)


def test_progress_shows_the_share_done(listener, folder):
    told = []
    files = [("scene.wav", folder / "scene.wav")]
    items = list(
        spot_files(listener, files, progress=lambda *news: told.append(news), block_seconds=1.0)
    )
    end = items[-1]
    assert isinstance(end, FileEnd)
    assert [heard for _, heard, _ in told] == sorted(heard for _, heard, _ in told)
    assert told[-1] == ("scene.wav", end.duration, end.duration)


@POSIX
def test_a_terminal_shows_how_far_and_a_file_gets_the_words(folder, spot):
    output, shown = on_a_terminal("spot", *EXPORTED, "scene.wav", cwd=folder)
    assert "1 of 1: scene.wav" in shown
    assert output == spot(*EXPORTED, "scene.wav").stdout != ""


def test_a_request_to_stop(monkeypatch):
    stop = Stop()
    stop.check()
    stop.ask(signal.SIGTERM)
    stop.ask(signal.SIGINT)  # at the same moment: the first is meant
    with pytest.raises(Stopped) as told, stop.at_once():
        pytest.fail("it waited")
    assert told.value.signum == signal.SIGTERM
    monkeypatch.setattr("speech_rnn.listening.interrupts.IMPATIENT_SECONDS", -1)
    with pytest.raises(Stopped):
        stop.ask(signal.SIGINT)


def test_a_second_signal_does_not_interrupt_the_handling_of_the_first():
    stop = Stop()
    with stop.at_once():
        with pytest.raises(Stopped):
            stop.ask(signal.SIGTERM)
        stop.ask(signal.SIGTERM)  # as a wrapper passes it on once more


def write_long(path, minutes, every=60):
    """Noise of so many minutes as 16 bits, written as it is made, with a scene every minute."""
    random = np.random.default_rng(0)
    waveform, _ = scene(SAID, seed=5)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for _ in range(minutes):
            minute = (0.003 * random.standard_normal(60 * RATE)).astype(np.float32)
            minute[: len(waveform)] = waveform
            file.write(minute)


HEARD = """
import json, re, sys
from pathlib import Path
from speech_rnn.recognizer import Recognizer
from speech_rnn.listening.files import FileEnd, spot_files
recognizer = Recognizer.load("model.safetensors")
peaks, words = [], 0
for item in spot_files(recognizer, [(path, path) for path in sys.argv[1:]]):
    if isinstance(item, FileEnd):
        status = Path("/proc/self/status").read_text()
        peaks.append(int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]))
    else:
        words += 1
print(json.dumps([peaks, words]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a process alone")
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_memory_does_not_grow_with_a_file(folder, tmp_path):
    """Between a minute and an hour, of which the samples alone would be 230 MB."""
    write_long(tmp_path / "short.wav", 1)
    write_long(tmp_path / "long.wav", 60)
    command = [sys.executable, "-c", HEARD, tmp_path / "short.wav", tmp_path / "long.wav"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    (short, long), n_words = json.loads(result.stdout)
    assert n_words == (1 + 60) * len(SAID)
    assert (long - short) / 1024 < 8  # MiB
    assert long / 1024 < 600


def start(*arguments, cwd, **options):
    command = [sys.executable, "-m", "speech_rnn", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


@pytest.mark.slow
@POSIX
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_middle_loses_nothing_that_was_found(folder, tmp_path, signum, code):
    write_long(tmp_path / "long.wav", 20)
    process = start("spot", *EXPORTED, "--json", tmp_path / "long.wav", cwd=folder)
    first = "".join(process.stdout.readline() for _ in range(3))
    process.send_signal(signum)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    rows = [json.loads(line) for line in (first + out).splitlines()]
    heard = float(re.search(r"was read up to ([\d.]+) s only: interrupted", rows[-1]["error"])[1])
    assert heard < 20 * 60
    # The last word may have been cut in two, and is heard as another.
    words = [row["word"] for row in rows[:-2]]
    assert words == (SAID * 20)[: len(words)] != []
    assert "interrupted" in err
    assert "Traceback" not in err


@pytest.mark.slow
@POSIX
def test_a_signal_writes_the_document_so_far(folder, tmp_path):
    write_long(tmp_path / "long.wav", 20)
    options = ("--format", "csv", "--output-dir", tmp_path)
    # A line of the file before says that hearing has begun.
    process = start("spot", *EXPORTED, *options, "scene.wav", tmp_path / "long.wav", cwd=folder)
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("scene.csv")) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    (document,) = tmp_path.rglob("long.csv")
    rows = list(csv.DictReader(document.open()))
    assert 0 < len(rows) < 20 * len(SAID)
    assert "long.wav: was read up to" in err


@POSIX
def test_a_silent_pipe_can_be_interrupted(folder):
    process = start("spot", *EXPORTED, "-", cwd=folder, stdin=subprocess.PIPE)
    process.stdin.write("\0" * 200_000)  # a pipe holds 64 KiB: the process reads
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "interrupted\n")


def test_output_stops_when_nobody_reads_it(folder, tmp_path):
    write_long(tmp_path / "long.wav", 2)
    process = start("spot", *EXPORTED, tmp_path / "long.wav", cwd=folder)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 1
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
