"""Files over several processes: the rows of one process, also after kills."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from speech_rnn.errors import ConfigurationError
from speech_rnn.listening.file_jobs import TranscribeFiles
from speech_rnn.listening.many_files import rows_of
from speech_rnn.parallel.crews import Spread
from speech_rnn.starter import STARTER
from tests.commands import speech_rnn
from tests.test_clips import CLIPS

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="children are read from /proc")
BATCHES = ("--batch-size", "4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of real clips, of a damaged file, and of an empty one."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(22):
        (folder / f"{number:02}.flac").symlink_to(CLIPS[number % len(CLIPS)])
    (folder / "07-damaged.flac").write_bytes(CLIPS[0].read_bytes()[:500])
    (folder / "13-empty.wav").touch()
    return folder


def rows(folder):
    """Return the rows of all parts."""
    parts = sorted(folder.glob("part-*.jsonl"))
    return "".join(part.read_text(encoding="utf-8") for part in parts)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [("transcribe", "--json", *BATCHES), ("spot", "--json")], ids=["transcribe", "spot"]
)
def test_processes_print_and_keep_what_one_process_prints(folder, tmp_path, command):
    alone = speech_rnn(*command, ".", cwd=folder)
    several = speech_rnn(*command, "--jobs", 2, ".", cwd=folder)
    assert (alone.returncode, alone.stdout) == (several.returncode, several.stdout)
    assert alone.returncode == 1
    assert alone.stdout.count('"error"') == 2
    parts = tmp_path / "parts"
    kept = speech_rnn(*command, "--parts", parts, ".", cwd=folder)
    assert kept.returncode == 1
    assert kept.stdout == f"{parts}: 24 files, 2 of them failed\n"
    assert rows(parts) == alone.stdout
    assert len(list(parts.glob("part-*.done"))) == (6 if command[0] == "transcribe" else 24)


def test_a_run_goes_on_with_the_parts_that_are_missing(folder, tmp_path):
    command = ("transcribe", *BATCHES, "--parts", tmp_path, ".")
    speech_rnn(*command, cwd=folder)
    expected = rows(tmp_path)
    (tmp_path / "part-00001.done").unlink()
    (tmp_path / "part-00004.jsonl").write_bytes(b"")
    before = (tmp_path / "part-00000.jsonl").stat().st_mtime_ns
    again = speech_rnn(*command, cwd=folder)
    assert again.stderr.startswith(f"note: {tmp_path}: 16 of 24 files were done before\n")
    assert again.returncode == 1  # for the files that failed then
    assert rows(tmp_path) == expected
    assert (tmp_path / "part-00000.jsonl").stat().st_mtime_ns == before
    for arguments, differing in (
        (("--n-best", 2, "."), "n_best"),
        (("00.flac",), "list of files"),
    ):
        refused = speech_rnn(*command[:-1], *arguments, cwd=folder)
        assert refused.returncode == 2
        assert re.search(f"belongs to a run with another {differing};", refused.stderr)
    refused = speech_rnn("spot", "--parts", tmp_path, ".", cwd=folder)
    assert "belongs to a run with another verb" in refused.stderr


def test_a_recording_that_was_replaced_is_noticed(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "sounds")
    command = ("transcribe", *BATCHES, "--parts", "parts", "sounds")
    speech_rnn(*command, cwd=tmp_path)
    shutil.copy(tmp_path / "sounds/01.flac", tmp_path / "sounds/00.flac")
    refused = speech_rnn(*command, cwd=tmp_path)
    assert refused.returncode == 2
    assert "belongs to a run with another size or time of a file;" in refused.stderr


def test_options_that_do_not_fit_are_refused(folder, tmp_path):
    for command, message in (
        (("transcribe", "--jobs", 2, "-"), "other processes cannot read standard input"),
        (("transcribe", "--parts", tmp_path, "-"), "other processes cannot read standard input"),
        (("spot", "--parts", tmp_path, "--format", "csv", "."), "--parts writes JSON Lines"),
        (("transcribe", "--parts", tmp_path, "--model", "gone.onnx", "."), "model='gone.onnx'"),
        (("transcribe", "--jobs", 2, "--model", "gone.onnx", "."), r"gone.onnx"),
        (("transcribe", "--jobs", 2, "--beam", 3, "--grammar", "no.jsgf", "."), "no.jsgf"),
    ):
        refused = speech_rnn(*command, cwd=folder)
        assert refused.returncode in (1, 2)
        assert message in refused.stderr
        assert refused.stdout == ""


def test_a_file_that_ends_each_process_is_a_row(folder):
    job = TranscribeFiles(STARTER, "cpu", {}, 4, None)
    row = job.lost(("a.wav", "a.wav"), "exit code -9")
    assert json.loads(row.line()).keys() == {"file", "error"}
    assert "a.wav: ended each process that read it (exit code -9)" in row.error
    with pytest.raises(ConfigurationError):
        list(rows_of(job, [("-", sys.stdin.buffer)], Spread(2)))


def begin(folder, *arguments):
    command = [sys.executable, "-m", "speech_rnn", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, start_new_session=True)


def children(pid):
    """Return the processes that recognise files; the resource tracker of Python is none."""
    found = []
    try:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    except OSError:
        pass
    return found


def are_gone(pids):
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def wait_until(is_so, seconds=60):
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A folder of 2,000 names of real clips."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(2000):
        (folder / f"{number:04}.flac").symlink_to(CLIPS[number % len(CLIPS)])
    return folder


def killed(folder, parts, draw, left):
    """Run until a draw kills the driver, or to the end; workers that it kills are replaced.

    Parameters
    ----------
    left : numbers of kills that are left, of the driver and of workers.
    """
    n_before = len(list(parts.glob("*.done")))
    driver = begin(folder, "transcribe", "--jobs", 2, "--batch-size", 8, "--parts", parts, ".")
    wait_until(lambda: driver.poll() is not None or len(list(parts.glob("*.done"))) > n_before)
    while driver.poll() is None and sum(left.values()):
        time.sleep(draw.uniform(0, 0.5))
        workers = children(driver.pid)
        which = draw.choice([which for which in left if left[which]])
        if which == "driver":
            left[which] -= 1
            driver.kill()
            wait_until(partial(are_gone, workers))
            break
        if workers:
            left[which] -= 1
            os.kill(draw.choice(workers), signal.SIGKILL)
    said, told = driver.communicate(timeout=300)
    return driver.returncode, said.decode(), told.decode()


@LINUX
@pytest.mark.slow(minutes=1)
def test_kills_of_the_driver_and_of_workers_lose_nothing(many, tmp_path):
    draw, parts, left = random.Random(0), tmp_path / "parts", {"driver": 5, "worker": 5}
    code = -signal.SIGKILL
    while code == -signal.SIGKILL:
        code, said, told = killed(many, parts, draw, left)
    assert (code, sum(left.values())) == (0, 0), told
    assert said == f"{parts}: 2,000 files, 0 of them failed\n"
    names = [json.loads(line)["file"] for line in rows(parts).splitlines()]
    assert names == [f"{number:04}.flac" for number in range(2000)]
    alone = speech_rnn("transcribe", "--json", "--batch-size", 8, ".", cwd=many)
    assert rows(parts) == alone.stdout


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize("verb", ["transcribe", "spot"])
def test_ctrl_c_ends_all_processes(many, tmp_path, verb):
    driver = begin(many, verb, "--jobs", 2, "--parts", tmp_path / "parts", *10 * ["."])
    wait_until(lambda: len(list(tmp_path.glob("parts/*.done"))) > 1)
    workers = children(driver.pid)
    assert len(workers) == 2
    began = time.monotonic()
    os.killpg(driver.pid, signal.SIGINT)
    _, told = driver.communicate(timeout=60)
    assert (driver.returncode, told) == (130, b"interrupted\n")
    assert time.monotonic() - began < 10
    assert are_gone(workers)
