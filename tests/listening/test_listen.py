"""Words as they are said: raw PCM, files at their pace, a microphone, and what events set off."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.audio import load_audio, resample, write_audio
from speech_rnn.data.folder import Folder
from speech_rnn.data.word_folders import folder_of, word_of
from speech_rnn.errors import AudioError, ConfigurationError, MissingExtraError
from speech_rnn.exporting import write_onnx
from speech_rnn.listening.actions import Command, SavedTriggers
from speech_rnn.listening.events import Event
from speech_rnn.listening.interrupts import Stop
from speech_rnn.listening.live import events_of
from speech_rnn.listening.microphone import Microphone
from speech_rnn.listening.pcm import RAW, PcmSource
from speech_rnn.listening.sources import FileSource
from tests.commands import speech_rnn, typed
from tests.listeners import RATE, WORDS, scene, train_listener
from tests.listening.test_spot import EXPORTED, MODEL, POSIX, SAID, start
from tests.microphones import sounddevice
from tests.streaming.test_streaming import is_right
from tests.test_recognizer import untrained


@pytest.fixture(scope="module")
def listener():
    return train_listener(bidirectional=False)


@pytest.fixture(scope="module")
def folder(listener, tmp_path_factory):
    folder = tmp_path_factory.mktemp("room")
    listener.save(folder / "model.safetensors")
    write_onnx(listener, folder / "model.onnx", streaming=True)
    untrained("words", bidirectional=True).save(folder / "cannot.safetensors")
    write_audio(folder / "scene.wav", scene(SAID, seed=5)[0])
    return folder


@pytest.fixture(scope="module")
def truth():
    return scene(SAID, seed=5)[1]


@pytest.fixture
def listen(folder, monkeypatch):
    return typed("listen", folder, monkeypatch, *MODEL)


def events_in(text):
    return [Event(**json.loads(line)) for line in text.splitlines()]


def pcm(dtype="int16", rate=RATE, n_channels=1):
    samples = resample(scene(SAID, seed=5)[0], RATE, rate).clip(-1, 1)
    scale = {"int16": 32767, "int32": 2**31 - 1}.get(dtype, 1)
    whole = np.rint(samples * scale) if scale > 1 else samples
    return np.repeat(whole.astype(dtype), n_channels).tobytes()


SILENCE = np.zeros(0, np.float32)


# Sources


@pytest.mark.parametrize(
    ("dtype", "rate", "n_channels"),
    [("int16", 16_000, 1), ("int32", 48_000, 2), ("float32", 22_050, 1), ("float64", 44_100, 3)],
)
def test_raw_pcm(listen, truth, dtype, rate, n_channels):
    options = ("--rate", rate, "--dtype", dtype, "--channels", n_channels)
    result = listen("--json", "--input", "-", *options, stdin=pcm(dtype, rate, n_channels))
    assert (result.exit_code, result.stderr) == (0, "")
    assert is_right(events_in(result.stdout), truth)


class Trickle:
    """A pipe that gives its bytes in pieces of such sizes."""

    def __init__(self, content, sizes):
        self._content, self._sizes, self._number = content, sizes, 0

    def read1(self, most):
        size = min(most, self._sizes[self._number % len(self._sizes)])
        self._number += 1
        piece, self._content = self._content[:size], self._content[size:]
        return piece


@given(
    n_bytes=st.integers(1, 3000),
    sizes=st.lists(st.integers(1, 1000), min_size=1, max_size=5),
    n_channels=st.integers(1, 3),
)
def test_bytes_may_be_cut_anywhere(n_bytes, sizes, n_channels):
    content = np.random.default_rng(n_bytes).bytes(n_bytes)
    source = PcmSource(Trickle(content, sizes), RATE, RAW["int16"], n_channels)
    found = np.concatenate([np.zeros(0), *source.chunks(Stop())])
    frame = 2 * n_channels
    whole = np.frombuffer(content[: n_bytes // frame * frame], "<i2").reshape(-1, n_channels)
    np.testing.assert_allclose(found, whole.mean(axis=1) / 2**15, atol=1e-7)
    assert bool(source.problems()) == bool(n_bytes % frame)


def test_nan_and_half_samples_are_reported(listen):
    content = bytearray(pcm("float32"))
    content[400:404] = np.float32(np.nan).tobytes()
    content[404:408] = np.float32(2.5).tobytes()
    result = listen("--input", "-", "--dtype", "float32", stdin=bytes(content) + b"x")
    assert [line.split()[-1] for line in result.stdout.splitlines()] == SAID
    assert "1 samples that are not numbers" in result.stderr
    assert "1 samples beyond full scale" in result.stderr
    assert "1 bytes at the end are no whole sample of float32" in result.stderr


@pytest.mark.slow
def test_a_file_at_once_and_at_its_pace(listen, truth):
    fast = listen("--json", "--input", "scene.wav", "--fast")
    began = time.monotonic()
    paced = listen("--json", "--input", "scene.wav")
    seconds = time.monotonic() - began
    assert fast.exit_code == paced.exit_code == 0
    assert fast.stdout == paced.stdout
    assert is_right(events_in(fast.stdout), truth)
    assert seconds >= load_audio("scene.wav").size / RATE


@pytest.mark.slow
def test_an_event_is_reported_immediately(folder, truth):
    process = start("listen", *EXPORTED, "--input", "scene.wav", cwd=folder)
    process.stdout.readline()
    first = time.monotonic()
    rest = process.stdout.read()
    told = time.monotonic() - first
    assert process.wait(timeout=60) == 0
    process.stderr.close()
    assert len(rest.splitlines()) == len(SAID) - 1
    assert told > 2  # it goes on for 4 s after the first word


@pytest.mark.slow
@POSIX
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_listening_with_the_open_words(folder, signum, code):
    """The pipe stays open: the word that has not ended yet comes with the signal."""
    process = start(
        "listen", *EXPORTED, "--json", "--input", "-", "--save-triggers", f"kept{code}",
        "--around-seconds", "0.5", "60", cwd=folder, stdin=subprocess.PIPE,
    )  # fmt: skip
    samples = np.frombuffer(pcm(), np.int16)
    process.stdin.buffer.write(samples[: int(2.0 * RATE)].tobytes())  # "high" began at 1.8 s
    process.stdin.flush()
    process.stdout.readline()
    time.sleep(1)
    process.send_signal(signum)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert events_in(out)
    assert "interrupted" in err
    assert "Traceback" not in err
    assert list((folder / f"kept{code}/low").glob("*.wav"))  # what waits for its end is kept, too


# What cannot be listened to


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (("--input", "missing.wav"), "missing.wav: cannot be opened", 1),
        (("--input", "scene.wav", "--rate", "8000"), "rate=8000 is for raw PCM", 2),
        (("--input", "-", "--rate", "0"), "rate=0 must be from 1000 to 1000000 Hz", 2),
        (("--input", "-", "--dtype", "int8"), "dtype='int8' must be one of int16", 2),
        (("--input", "-", "--channels", "0"), "channels=0 must be from 1 to 256", 2),
        (("--input", "-", "--fast"), "--fast needs --input FILE", 2),
        (("--input", "-", "--microphone", "1"), "give one", 2),
        (("--input", "-", "--threshold", "1.1"), "threshold=1.1 must be above 0", 2),
        (("--input", "-", "--exec", "no-such-program-x"), "no program 'no-such-program-x'", 2),
        (("--input", "-", "--exec", "echo '"), "cannot be split", 2),
        (("--input", "-", "--exec", "{word}"), "must begin with the name of a program", 2),
        (("--input", "-", "--exec", "echo {wrod}"), "did you mean 'word'?", 2),
        (
            ("--input", "-", "--save-triggers", "x", "--around-seconds", "-1", "0"),
            "before_seconds=-1.0",
            2,
        ),
        (("--model", "cannot.safetensors"), "+recipe=custom 'words=[", 2),
    ],
)
def test_wrong_use(listen, arguments, message, code):
    result = listen(*arguments, stdin=b"")
    assert message in result.stderr
    assert (result.exit_code, result.stdout) == (code, "")
    assert "Traceback" not in result.stderr


def has_microphone():
    try:
        import sounddevice

        return any(device["max_input_channels"] for device in sounddevice.query_devices())
    except (ImportError, OSError):
        return False


@pytest.mark.skipif(has_microphone(), reason="there is a microphone")
def test_without_a_microphone(folder):
    result = speech_rnn("listen", *MODEL, cwd=folder)
    assert (result.returncode, result.stdout) == (1, "")
    assert any(
        message in result.stderr
        for message in (
            "there is no input device; --input FILE",
            "PortAudio library not found; install it",
            "[mic]'",
        )
    )


# The microphone


def play_scene(stream):
    waveform = resample(scene(SAID, seed=5)[0], RATE, stream.settings.samplerate).clip(-1, 1)
    size = stream.settings.blocksize
    for first in range(0, len(waveform) - size, size):
        time.sleep(0.001)
        stream.give(waveform[first : first + size])
    stream.settings.finished_callback()


@pytest.mark.parametrize("rates", [(44_100, 16_000), (48_000,)])
def test_a_microphone_until_it_vanishes(listen, monkeypatch, truth, rates):
    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice(play_scene, rates))
    result = listen("--json", "--microphone", "Headset")
    assert is_right(events_in(result.stdout), truth)
    assert result.exit_code == 1
    assert "has stopped sending: is it unplugged? there are 1 'Desk' (1 channels)" in result.stderr


def test_a_device_without_samples_counts_as_gone(monkeypatch):
    monkeypatch.setattr("speech_rnn.listening.microphone.VANISHED_SECONDS", 0.3)
    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice(lambda stream: None))
    with pytest.raises(AudioError, match="has stopped sending"):
        list(Microphone().chunks(Stop()))


def test_overruns_are_counted_and_shift_no_times(monkeypatch, listener):
    """A device that gives 12 s before anything is taken: of 10 s that wait, the rest is lost."""
    has_given = threading.Event()

    def play(stream):
        size = stream.settings.blocksize
        for number in range(240):
            stream.give(np.full(size, 0.5), overflow=number == 7)
        has_given.set()
        while not stream.has_stopped.is_set() and taken.wait(10):
            stream.give(np.full(size, 0.25))
            stream.settings.finished_callback()
            return

    taken = threading.Event()
    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice(play))
    source, found = Microphone(), []
    with contextlib.suppress(AudioError):
        for samples in source.chunks(Stop()):
            has_given.wait(10)
            found.append(samples)
            if len(found) == 150:
                taken.set()
    levels = np.concatenate(found)
    assert len(levels) == 241 * 800
    assert (levels == 0).sum() == pytest.approx(40 * 800, abs=800)  # one may have been taken
    assert levels[-1] == pytest.approx(0.25, abs=1e-4)
    assert source.n_overruns == pytest.approx(41, abs=1)
    assert "overruns" in source.problems()[0]


def test_a_missing_microphone(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice(None))
    with pytest.raises(AudioError, match=r"No input device matching 'Sofa'.*2 'Headset'"):
        Microphone("Sofa")
    with pytest.raises(AudioError, match=r"microphone=7 cannot be used"):
        Microphone("7")
    with pytest.raises(AudioError, match="Invalid sample rate"):
        Microphone(sample_rate=5)
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[mic\]"):
        Microphone()


# Programs


def test_a_program_is_run_for_each_event(listen, tmp_path):
    script = tmp_path / "note.py"
    script.write_text("import sys, pathlib\npathlib.Path(sys.argv[1]).write_text(sys.argv[2])\n")
    line = f"'{sys.executable}' '{script}' '{tmp_path}/{{start}}.txt' 'a {{word}} {{confidence}}'"
    result = listen("--input", "scene.wav", "--fast", "--exec", line)
    assert (result.exit_code, result.stderr) == (0, "")
    texts = [path.read_text() for path in sorted(tmp_path.glob("*.txt"))]
    rows = [row.split() for row in result.stdout.splitlines()]
    assert [text.split()[:2] for text in texts] == [["a", word] for *_, word in rows]
    for text, (*_, confidence, _) in zip(texts, rows, strict=True):
        assert float(text.split()[2]) == float(confidence)


def test_no_event_can_inject(tmp_path):
    words = ["low; touch evil", "$(touch evil)", "a b", "`x`", "{start}", 'q"uote', "{file}"]
    out = tmp_path / "out"
    script = "import sys, json; open(sys.argv[1], 'a').write(json.dumps(sys.argv[2:]) + '\\n')"
    told = []
    line = f"'{sys.executable}' -c \"{script}\" '{out}' '{{word}}' 'x={{word}} {{end}}'"
    command = Command(line, words, told.append)
    for word in words:
        command.hear(SILENCE, [Event("-", word, 0.5, 1.0, 0.9)])
        command.finish()
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows == [[word, f"x={word} 1.0"] for word in words]
    assert not told
    with pytest.raises(ConfigurationError, match="'--help' would be read as an option"):
        Command("echo {word}", ["low", "--help"], told.append)
    Command("echo word={word}", ["low", "--help"], told.append)


@pytest.mark.parametrize(
    "line",
    [
        "sh -c 'echo {word}'",
        "/bin/bash -e -o pipefail -c 'echo {file}'",
        "env LANG=C sh -ec 'echo \"{word}\"' - {word}",
        "python3 -c'print(\"{word}\")'",
        "perl -ne 'print {word}'",
    ],
)
def test_case_f22_a_word_is_no_part_of_a_program(line):
    with pytest.raises(ConfigurationError, match="pass it as an argument: sh -c"):
        Command(line, ["low"], print)


@pytest.mark.parametrize(
    "line",
    [
        "sh -c 'echo \"$1\"' - {word}",
        f"'{sys.executable}' note.py -c {{word}}",
        "sh note.sh -e {word}",
    ],
)
def test_case_f22_a_word_is_an_argument(line):
    Command(line, ["$(touch evil)"], print)


def test_a_failing_program_is_reported(listen):
    line = f"'{sys.executable}' -c 'import sys; sys.exit(3)' {{word}}"
    result = listen("--input", "scene.wav", "--fast", "--exec", line)
    assert result.exit_code == 1
    assert [row.split()[-1] for row in result.stdout.splitlines()] == SAID
    assert result.stderr.count("ended with 3") == len(SAID)
    assert "for 'low'" in result.stderr


def test_a_slow_program_does_not_hold_up_the_sound(listener, folder, monkeypatch):
    monkeypatch.setattr("speech_rnn.listening.actions.LAST_SECONDS", 0.01)
    told = []
    command = Command(f"'{sys.executable}' -c 'import time; time.sleep(20)'", WORDS, told.append)
    began = time.monotonic()
    for number in range(10):
        command.hear(SILENCE, [Event("-", "low", number, number + 1, 0.9)])
    assert time.monotonic() - began < 5
    assert command.n_failures == 2
    assert told == [f"exec: {sys.executable!r} for 'low' was not run: 8 still run"] * 2
    running = [process for _, process in command._running]
    command.finish()
    assert len(told) == 10
    assert told[-1].endswith("still runs")
    for process in running:
        process.kill()
        process.wait()


# Sound around events


def test_triggers_are_the_sound_around_events(listen, truth, tmp_path):
    result = listen(
        "--json", "--input", "scene.wav", "--fast", "--save-triggers", tmp_path,
        "--around-seconds", "0.25", "0.3",
    )  # fmt: skip
    assert (result.exit_code, result.stderr) == (0, "")
    whole = load_audio("scene.wav")
    rows = [json.loads(path.read_text()) for path in tmp_path.rglob("*.json")]
    events = events_in(result.stdout)
    assert len(rows) == len(list(tmp_path.rglob("*.wav"))) == len(SAID)
    for row, event in zip(sorted(rows, key=lambda row: row["start"]), events, strict=True):
        clip = load_audio(tmp_path / row["text"] / row["audio"])
        assert {name: row[name] for name in event.to_dict()} == event.to_dict()
        assert row["clip_start"] == pytest.approx(event.start - 0.25, abs=1e-3)
        first = round(row["clip_start"] * RATE)
        assert len(clip) == pytest.approx((event.end - event.start + 0.55) * RATE, abs=RATE / 1000)
        np.testing.assert_array_equal(clip, whole[first : first + len(clip)])
        assert row["duration"] == pytest.approx(len(clip) / RATE, abs=1e-4)
        assert len(row["model_sha256"]) == 64
    again = listen("--input", "scene.wav", "--fast", "--save-triggers", tmp_path)
    assert again.exit_code == 0
    assert len(list(tmp_path.rglob("*.wav"))) == len(SAID)  # the same clips, not others


def test_an_unwritable_clip_is_reported_and_listening_continues(listen, tmp_path):
    (tmp_path / "low").touch()  # no folder can be there
    result = listen("--input", "scene.wav", "--fast", "--save-triggers", tmp_path)
    assert result.exit_code == 1
    assert [row.split()[-1] for row in result.stdout.splitlines()] == SAID
    assert result.stderr.count("cannot be written") == SAID.count("low")
    assert len(list((tmp_path / "high").glob("*.wav"))) == SAID.count("high")


def test_kept_sound_does_not_grow_with_the_stream(tmp_path):
    (tmp_path / "model").touch()
    saved = SavedTriggers(
        tmp_path, WORDS, RATE, prefix="x", model=tmp_path / "model", tell=pytest.fail
    )
    for second in range(100):
        saved.hear(np.tile(np.float32([second, -second]) / 100, RATE // 2), [])
        assert len(saved._kept) <= 12 * RATE
    saved.hear(np.zeros(RATE, np.float32), [Event("-", "low", 98.0, 99.0, 0.9)])
    saved.finish()
    (clip,) = tmp_path.rglob("*.wav")
    assert clip.name == "x-000098000.wav"
    samples = load_audio(clip)
    assert samples[0] == pytest.approx(0.97, abs=1e-4)
    assert len(samples) == 2 * RATE


@given(st.text(min_size=1, max_size=12))
def test_a_folder_of_each_word(word):
    """What is written is read back; none leaves the root."""
    try:
        name = folder_of(word)
    except ConfigurationError:
        return
    assert Path("root", name).parent == Path("root")
    assert "\0" not in name
    assert word_of(name) == normalize("NFC", word)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("lights on", "lights_on"),
        ("turn_on", "turn__on"),
        ("a_b c__d", "a__b_c____d"),
        ("_unknown_", "_unknown_"),
        ("_my word_", "_my word_"),
    ],
)
def test_a_word_and_its_folder(word, name):
    assert (folder_of(word), word_of(name)) == (name, word)


@pytest.mark.parametrize("word", ["../x", "a/b", "..", ".", "", " ", "a\\b", "\0", "c:d", "a _b"])
def test_words_that_name_no_folder(word):
    with pytest.raises(ConfigurationError, match="cannot be the name of a folder"):
        folder_of(word)


@pytest.fixture
def kept(listen, tmp_path):
    """The sound around 24 events."""
    said = [WORDS[number % 3] for number in range(24)]
    write_audio(tmp_path / "long.wav", scene(said, seed=11)[0])
    folder = tmp_path / "kept"
    result = listen("--input", tmp_path / "long.wav", "--fast", "--save-triggers", folder)
    assert result.exit_code == 0
    assert [row.split()[-1] for row in result.stdout.splitlines()] == said
    return folder


def test_the_folder_source_reads_what_was_kept(kept):
    corpus = Folder(str(kept), validation_percentage=0).prepare()
    assert corpus.words == tuple(sorted(WORDS))
    assert len(corpus.utterances) == 24


@pytest.mark.slow
def test_an_audit_of_what_was_kept_finds_a_wrong_label(kept, tmp_path):
    wrong = sorted((kept / "low").glob("*.wav"))[0]
    wrong.rename(kept / "high" / wrong.name)
    arguments = [
        *("data=folder", f"data.root={kept}", "data.validation_percentage=0", "folds=2"),
        *("features.n_mfcc=13", "augment=none", "model.hidden_size=16", "trainer.max_epochs=8"),
        *("trainer.batch_size=8", "optim.learning_rate=1e-2", "output_dir=out", "page_clips=2"),
    ]
    audited = speech_rnn("audit", *arguments, cwd=tmp_path)
    assert audited.returncode == 0, audited.stderr
    ranking = (tmp_path / "out/ranking.csv").read_text().splitlines()
    assert wrong.name in ranking[1]


def test_events_of_needs_no_actions(listener, folder, truth):
    source = FileSource(folder / "scene.wav", "scene.wav", is_fast=True)
    assert is_right(list(events_of(listener.stream(), source, tell=pytest.fail)), truth)
