"""Trainings in several processes, as torchrun starts them."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# Each process is a fork of one that has loaded the libraries, which saves seconds.
# It reads a line of JSON for each training: for each process its arguments and environment.
FORKS = """
import json, os, sys
from speech_rnn import train
from speech_rnn.config import app
from speech_rnn.training import processes, run

{patch}

def child(arguments, environment, log):
    os.chdir(environment.pop("FOLDER"))
    os.environ.update(environment)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.argv = ["train", *arguments]
    try:
        train.main()
    except SystemExit as end:
        return end.code or 0
    except BaseException:
        import traceback
        traceback.print_exc()
        return 70
    return 0

for line in sys.stdin:
    children = []
    for arguments, environment, log in json.loads(line):
        children.append(os.fork())
        if not children[-1]:
            code = child(arguments, environment, log)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    codes = [os.waitstatus_to_exitcode(os.waitpid(one, 0)[1]) for one in children]
    print(json.dumps(codes), flush=True)
"""


@dataclass(frozen=True)
class Ended:
    """The exit codes of processes, and what each has printed."""

    codes: list[int]
    printed: list[str]


class Ranks:
    """Starts trainings of one or several processes in a folder.

    `patch` is run before the processes start, and changes what they do.
    """

    def __init__(self, folder, patch=""):
        self.folder = Path(folder)
        self.process = subprocess.Popen(
            [sys.executable, "-c", FORKS.replace("{patch}", patch)],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"},
            text=True,
        )

    def train(self, *arguments, ranks=1, others=(), others_in=None, environment=()):
        """Train in `ranks` processes.

        The last one has the arguments `others` as well, and may work in another folder.
        """
        last = ranks - 1
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
        place |= {"WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks), **dict(environment)}
        told = [
            (
                [*map(str, arguments), *(others if rank == last else ())],
                place
                | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
                | {"FOLDER": str(others_in if others_in and rank == last else self.folder)},
                str(self.folder / f"rank-{rank}.log"),
            )
            for rank in range(ranks)
        ]
        print(json.dumps(told), file=self.process.stdin, flush=True)
        codes = json.loads(self.process.stdout.readline())
        return Ended(codes, [Path(log).read_text() for *_, log in told])

    def close(self):
        self.process.kill()
        self.process.communicate()


def _free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
