"""``speech-rnn doctor`` on real clips, on recordings that were spoilt, and on a microphone."""

import json
import re
import sys

import numpy as np
import pytest

from speech_rnn.audio import load_audio, resample, write_audio
from speech_rnn.diagnosis.examination import MOST_SECONDS
from speech_rnn.recognizer import Recognizer
from tests.commands import speech_rnn
from tests.listeners import train_listener
from tests.microphones import sounddevice
from tests.test_clips import CLIPS
from tests.test_recognizer import untrained

RATE = 16_000
CLIP = {path.stem: path for path in CLIPS}


def doctor(*arguments, cwd, **options):
    return speech_rnn("doctor", *arguments, cwd=cwd, **options)


def told(folder, waveform, rate=RATE):
    """Return what the doctor says of a sound, as JSON."""
    write_audio(folder / "a.wav", waveform, rate)
    done = doctor("--json", "a.wav", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_a_good_recording_on_one_screen(tmp_path):
    done = doctor(CLIP["stop"], cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100
    assert "  format        FLAC, PCM_16, 16000 Hz, 1 channel, 1.00 s" in lines
    assert re.search(r"^  answer        stop, 100 %$", done.stdout, re.M)
    assert re.search(r"^  nearest       stop 100 %, \w+ \d+ %, ", done.stdout, re.M)
    assert lines[-1] == "nothing is wrong"


@pytest.mark.parametrize("clip", CLIPS, ids=lambda path: path.stem)
def test_the_answer_is_that_of_transcribe(tmp_path, clip):
    examined = json.loads(doctor("--json", clip, cwd=tmp_path).stdout)
    transcribed = json.loads(speech_rnn("transcribe", "--json", clip, cwd=tmp_path).stdout)
    assert examined["answer"]["words"] == transcribed["words"]
    assert next(iter(examined["answer"]["nearest"])) == clip.stem
    assert 0 <= examined["speech_start"] < examined["speech_end"] <= 1
    assert examined["duration"] == examined["seconds"] == 1


def test_a_clip_by_telephone(tmp_path):
    found = told(tmp_path, resample(load_audio(CLIP["stop"]), RATE, 8_000), 8_000)
    assert found["sample_rate"] == 8_000
    assert "as that of a telephone does" in found["findings"][0]
    assert "record at 16 kHz or more" in found["findings"][0]


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda clip: np.clip(30 * clip, -1, 1), "It is clipped: .*; record it with less gain."),
        (lambda clip: clip / 100, "It is quiet: .*; record it with more gain."),
        (lambda clip: clip * 0, "It is silent: "),
        (lambda clip: clip * 0, "No speech stands out from the noise: speak nearer"),
        (lambda clip: clip + np.float32(0.1), "It has a DC offset: .*ffmpeg -i FILE -af highpass"),
        (lambda clip: clip[7_200:], "The sound begins at full strength"),
        (
            lambda clip: clip + np.random.default_rng(0).normal(0, 0.03, len(clip)),
            r"The speech is only \d dB above the noise: move the microphone nearer",
        ),
    ],
)
def test_what_was_spoilt_is_found(tmp_path, spoil, expected):
    found = told(tmp_path, spoil(load_audio(CLIP["stop"])).astype(np.float32))
    assert [text for text in found["findings"] if re.match(expected, text)]


def test_a_word_that_is_none_of_the_recogniser(tmp_path):
    train_listener(bidirectional=False).save(tmp_path / "tones.safetensors")
    done = doctor("--model", "tones.safetensors", CLIP["yes"], cwd=tmp_path)
    found = re.search(r"^  nearest       (low|middle|high) ", done.stdout, re.M)
    assert found, done.stdout


def test_the_evidence_of_a_classifier(tmp_path):
    recognizer = untrained()
    recognizer.save(tmp_path / "mine.safetensors")
    done = doctor("--model", "mine.safetensors", CLIP["yes"], cwd=tmp_path)
    evidence = Recognizer.load(tmp_path / "mine.safetensors").transcribe(CLIP["yes"]).evidence
    assert f"\n  evidence      {evidence:.2f}\n" in done.stdout


def test_a_long_recording_is_examined_in_its_first_minute(tmp_path):
    clip = load_audio(CLIP["stop"])
    write_audio(tmp_path / "long.wav", np.tile(clip, 70))
    done = doctor("long.wav", cwd=tmp_path)
    assert f"the first {MOST_SECONDS:.0f} of 70 s" in done.stdout
    assert "nothing is wrong" in done.stdout


def test_one_file_that_cannot_be_read_costs_itself(tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    done = doctor("bad.wav", CLIP["yes"], "gone.wav", cwd=tmp_path)
    assert done.returncode == 1
    assert re.search("^  answer        yes", done.stdout, re.M)
    bad, gone = done.stderr.splitlines()
    assert bad.startswith("error: bad.wav: ")
    assert "gone.wav" in gone


def test_standard_input(tmp_path):
    done = doctor("-", cwd=tmp_path, stdin=CLIP["yes"].read_bytes())
    assert b"answer        yes" in done.stdout


def test_the_installation(tmp_path):
    done = doctor(cwd=tmp_path)
    assert done.returncode == 0
    assert "  recogniser    answers as it should, in " in done.stdout
    assert len(done.stdout.splitlines()) <= 40
    found = json.loads(doctor("--json", cwd=tmp_path).stdout)
    assert found["recogniser"]["problem"] is None
    assert found["versions"]["speech-rnn"]


def test_the_microphone(tmp_path, monkeypatch):
    """It gives a clip, then silence, at a rate that is not the recogniser's."""

    def play(stream):
        rate, size = stream.settings.samplerate, stream.settings.blocksize
        clip = resample(load_audio(CLIP["stop"]), RATE, rate)
        sound = np.concatenate([clip, np.zeros(4 * rate, np.float32)])
        for first in range(0, len(sound) - size, size):
            stream.give(sound[first : first + size])

    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice(play, rates=(48_000,)))
    done = doctor("--microphone", "--seconds", 2, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "note: recording 2 s" in done.stderr
    found = json.loads(done.stdout)
    assert (found["file"], found["sample_rate"], found["seconds"]) == ("microphone", 48_000, 2.0)
    assert found["answer"]["text"] == "stop"


def test_a_microphone_and_files_at_once_are_refused(tmp_path):
    done = doctor("--microphone", "a.wav", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--microphone takes no files" in done.stderr
