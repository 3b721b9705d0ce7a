"""The processes of a training are started, watched and ended together."""

import ast
import subprocess
import sys
import time

import pytest

from speech_rnn.errors import ConfigurationError, SpeechRnnError
from speech_rnn.training import launching
from speech_rnn.training.launching import launch
from speech_rnn.training.processes import check_number
from speech_rnn.training.settings import Trainer
from tests.commands import speech_rnn

NOTE = "import os; open(os.environ['RANK'], 'w').write(repr(sorted(os.environ.items())))"

LANGUAGE_MODEL = ("+recipe=language_model", "language_model.text=a.txt", "trainer.devices=2")


def command(script):
    return [sys.executable, "-S", "-c", f"import os, signal, sys, time\n{script}"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launching, "GRACE_SECONDS", 0.3)
    for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def environments(folder):
    return [dict(ast.literal_eval(file.read_text())) for file in sorted(folder.iterdir())]


def test_each_process_has_its_rank(folder):
    launch(command(NOTE), 2, 1, folder)
    found = environments(folder)
    assert [one["RANK"] for one in found] == [one["LOCAL_RANK"] for one in found] == ["0", "1"]
    assert {one["WORLD_SIZE"] for one in found} == {"2"}
    assert {one["MASTER_ADDR"] for one in found} == {"127.0.0.1"}
    assert len({one["MASTER_PORT"] for one in found}) == 1
    assert {one["OMP_NUM_THREADS"] for one in found} == {"1"}


def test_the_second_machine_has_the_last_processes(folder, monkeypatch):
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.1")
    monkeypatch.setenv("NODE_RANK", "1")
    launch(command(NOTE), 2, 2, folder)
    found = environments(folder)
    assert [(one["RANK"], one["LOCAL_RANK"]) for one in found] == [("2", "0"), ("3", "1")]
    assert {(one["MASTER_ADDR"], one["WORLD_SIZE"]) for one in found} == {("10.0.0.1", "4")}


@pytest.mark.parametrize("number", ["2", "first", "-1"])
def test_machines_need_an_address_and_a_number(folder, monkeypatch, number):
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.1")
    monkeypatch.setenv("NODE_RANK", number)
    with pytest.raises(ConfigurationError, match="MASTER_ADDR, the address of the first"):
        launch(command(NOTE), 1, 2, folder)
    assert not list(folder.iterdir())


def test_a_killed_process_ends_the_others(folder):
    script = "time.sleep(60) if os.environ['RANK'] == '0' else os.kill(os.getpid(), 9)"
    with pytest.raises(SpeechRnnError, match=r"process 1 of 2 was killed \(SIGKILL\).*=run\)"):
        launch(command(script), 2, 1, folder / "run")


def test_an_error_that_a_process_has_printed_ends_with_its_code(folder):
    script = "time.sleep(60) if os.environ['RANK'] == '0' else sys.exit(2)"
    with pytest.raises(SystemExit) as ended:
        launch(command(script), 2, 1, folder)
    assert ended.value.code == 2


CHILD = """
from speech_rnn.training.launching import end_with_parent

def ended(*given):
    open(f"ended-{os.environ['RANK']}", "w").close()
    os._exit(0)

signal.signal(signal.SIGTERM, ended)
end_with_parent()
open(f"began-{os.environ['RANK']}", "w").close()
time.sleep(60)
"""
PARENT = """
from pathlib import Path
from speech_rnn.training.launching import launch
from speech_rnn.training.processes import check_number
from speech_rnn.training.settings import Trainer
from tests.commands import speech_rnn

launch([sys.executable, "-c", CHILD], 2, 1, Path("run"))
"""


def wait_for(folder, pattern):
    last = time.monotonic() + 60
    while len(list(folder.glob(pattern))) < 2:
        assert time.monotonic() < last, f"no {pattern}"
        time.sleep(0.05)


@pytest.mark.slow
def test_processes_end_with_the_one_that_started_them(folder):
    imports = "import os, signal, sys, time\n"
    script = f"{imports}CHILD = {imports + CHILD!r}\n{PARENT}"
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=folder)
    wait_for(folder, "began-*")
    parent.kill()
    parent.wait()
    wait_for(folder, "ended-*")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("-m", "seed=1,2", "trainer.devices=2"), "start those with several processes one by one"),
        (("trainer.devices=2", "trainer.num_nodes=2"), "trainer.num_nodes=2 needs two variables"),
        (("trainer.devices=0",), "trainer.devices=0 must be above 0"),
        (("trainer.accumulate=0",), "trainer.accumulate=0 must be above 0"),
        (LANGUAGE_MODEL, "a language model trains in one process"),
    ],
)
def test_what_several_processes_cannot_do_is_refused(folder, settings, message):
    ended = speech_rnn("train", *settings, "device=cpu", "output_dir=run", cwd=folder, module=True)
    assert ended.returncode == 2
    assert message in ended.stderr


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_wrong_key_is_reported_by_the_first_process_alone(folder, monkeypatch, rank):
    place = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    for name, value in {**place, "MASTER_PORT": "1", "RANK": rank, "LOCAL_RANK": rank}.items():
        monkeypatch.setenv(name, value)
    ended = speech_rnn("train", "model.hiden_size=3", "output_dir=run", cwd=folder, module=True)
    assert ended.returncode == 2
    assert ended.stderr.count("unknown key 'model.hiden_size'") == (rank == "0")


def test_only_train_starts_processes():
    with pytest.raises(ConfigurationError, match="are 4 processes, and this training has 1"):
        check_number(Trainer(devices=2, num_nodes=2))
    check_number(Trainer(devices=1))
    check_number(Trainer())
