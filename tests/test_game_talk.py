"""The talk of a game becomes recordings: from a small file that is laid out like the game's."""

import io
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from tests.test_architecture import ROOT

SCRIPT = ROOT / "recipes/keywords_stream/talk.py"
RATE = 11_025


def line(seconds, level):
    """A hum as MP3."""
    hum = level * np.sin(2 * np.pi * 220 * np.arange(round(seconds * RATE)) / RATE)
    sound = io.BytesIO()
    try:
        soundfile.write(sound, hum, RATE, format="MP3")
    except (ValueError, soundfile.LibsndfileError):  # before libsndfile 1.1
        pytest.skip("this libsndfile writes no MP3")
    return sound.getvalue()


def game(parts):
    head = struct.pack(">4s6sBxBH", b"QTBL", b"CEM10\0", 0, 1, len(parts))
    at = len(head) + 21 * len(parts)
    table = body = b""
    for name, data in parts:
        table += struct.pack(">12sBII", name, 1, at + len(body), len(data))
        body += data
    return head + table + body


def talk(*arguments):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_lines_are_joined_at_one_level_and_noises_left_out(tmp_path):
    said = (b"020001P1.SB", line(61, 0.5)), (b"C1A_0001.SB", line(61, 0.5))
    file = tmp_path / "queen.1c"
    file.write_bytes(game([said[0], (b"106SSSSS.SB", line(80, 0.9)), said[1]]))
    made = talk(file, tmp_path / "talk")
    assert made.returncode == 0, made.stderr
    assert "1 recordings of 120 s or more" in made.stdout
    samples, rate = soundfile.read(tmp_path / "talk/queen_000.ogg")
    assert rate == RATE
    assert len(samples) / rate == pytest.approx(122, abs=0.5)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.05, rel=0.05)


def test_another_file_is_refused(tmp_path):
    (tmp_path / "queen.1").write_bytes(bytes(40))
    made = talk(tmp_path / "queen.1", tmp_path / "talk")
    assert made.returncode == 1
    assert "no queen.1c with compressed speech" in made.stderr
