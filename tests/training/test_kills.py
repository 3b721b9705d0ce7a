"""A training that is killed again and again ends as one that never was."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from speech_rnn.training.checkpoints import read_checkpoint
from tests.tones import write_corpus
from tests.training.small import SMALL

N_KILLS = 20
"""Half of them with the folder on another disk."""
LONGEST_SECONDS = 3.0
"""Each training is killed after at most so many seconds."""
N_EPOCHS = 120
"""A fast processor does not finish so many epochs before it is killed five times."""
OTHER_DISK = Path("/dev/shm")

# Each training is a fork of one process that has loaded the libraries, which saves a minute.
# It reads lines of "SECONDS ARGUMENTS": the training is killed after so long; 0 s is never.
FORKS = """
import os, signal, sys, time
from speech_rnn import train
from speech_rnn.config import app
from speech_rnn.training import run

for line in sys.stdin:
    seconds, *arguments = line.split()
    child = os.fork()
    if not child:
        sys.argv = ["train", *arguments]
        code = 0
        try:
            train.main()
        except SystemExit as end:
            code = end.code or 0
        os._exit(code)
    if float(seconds):
        time.sleep(float(seconds))
        os.kill(child, signal.SIGKILL)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forks:
    """Trainings on tones, killed after some seconds."""

    def __init__(self, folder):
        folder.mkdir()
        self._arguments = [*SMALL, f"data.path={write_corpus(folder / 'tones')}"]
        self._arguments += [f"trainer.max_epochs={N_EPOCHS}", "trainer.ema_decay=0.9"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", FORKS],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(folder)},
            text=True,
        )

    def train(self, output_dir, *overrides, seconds=0.0):
        """Return the exit code of a training, or minus the signal that ended it."""
        line = [str(seconds), *self._arguments, f"output_dir={output_dir}", *overrides]
        print(*line, file=self.process.stdin, flush=True)
        while not (said := self.process.stdout.readline()).startswith("ended"):
            assert said, "the process is gone"
        return int(said.split()[1])


@pytest.fixture
def forks(tmp_path):
    forks = Forks(tmp_path / "forks")
    yield forks
    forks.process.kill()
    forks.process.communicate()


@pytest.fixture(params=[0, 1], ids=["one disk", "another disk"])
def half(request):
    return request.param


@pytest.fixture
def output_dir(half, tmp_path):
    if not half:
        yield tmp_path / "run"
        return
    if not OTHER_DISK.is_dir() or OTHER_DISK.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip(f"{OTHER_DISK} is no other disk than {tmp_path}")
    folder = Path(tempfile.mkdtemp(dir=OTHER_DISK))
    yield folder / "run"
    shutil.rmtree(folder)


@pytest.mark.slow(minutes=1)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_case_f02_a_training_killed_at_random_moments_ends_as_an_unbroken_one(
    forks, output_dir, half, tmp_path
):
    assert forks.train(tmp_path / "whole") == 0
    draw = random.Random(0)
    moments = [draw.uniform(0, LONGEST_SECONDS) for _ in range(N_KILLS)][half::2]
    last = output_dir / "checkpoints/last.ckpt"
    codes, reached = [], [0]
    for seconds in moments:
        codes.append(forks.train(output_dir, "resume=true", seconds=seconds))
        if last.exists():
            reached.append(read_checkpoint(last)["epoch"])  # whole, whenever it was killed
    assert codes.count(-9) >= len(moments) // 2
    assert reached == sorted(reached)
    assert forks.train(output_dir, "resume=true") == 0
    whole, killed = (
        load_file(folder / "recognizer.safetensors") for folder in (tmp_path / "whole", output_dir)
    )
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    left = {path.name for path in last.parent.iterdir()}
    assert left == {"best.ckpt", "last.ckpt"}
