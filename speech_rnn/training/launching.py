"""Start the processes of a training on this machine, and end all of them when one ends badly."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from speech_rnn.errors import ConfigurationError, SpeechRnnError, Stopped
from speech_rnn.storage.folders import shown

ENVIRONMENT = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables, those of torchrun, that say where the other processes are."""
LAUNCHED = "SPEECH_RNN_LAUNCHED"
"""Variable of processes that `launch` has started."""
PORT = "29500"
"""Port at which the processes of several machines meet, unless ``MASTER_PORT`` is set."""
LOOKS_SECONDS = 0.1
GRACE_SECONDS = 5.0
"""Time in which the other processes notice that one has ended, or in which it reports an error."""


def is_one_of_several() -> bool:
    """Return whether this process is one of several that train together."""
    return all(os.environ.get(name) for name in ENVIRONMENT) and os.environ["WORLD_SIZE"] != "1"


def is_first() -> bool:
    """Return whether this process is the one that writes, or the only one."""
    return not is_one_of_several() or os.environ["RANK"] == "0"


@contextmanager
def reported_once() -> Iterator[None]:
    """Let the first process of a machine alone report an error of the command line.

    All of them have the command line of `torchrun`, and the error before they meet.

    Raises
    ------
    SystemExit
        in the other processes, with the exit code of the error and without a message.
    """
    try:
        yield
    except SpeechRnnError as error:
        if not is_one_of_several() or os.environ["LOCAL_RANK"] == "0":
            raise
        with suppress(KeyboardInterrupt):  # torchrun ends the others as soon as one has ended
            time.sleep(GRACE_SECONDS)
        raise SystemExit(error.exit_code) from error


def is_launched() -> bool:
    """Return whether `launch` has started this process, and reports how it ends."""
    return LAUNCHED in os.environ


def launch(command: Sequence[str], devices: int, machines: int, output_dir: Path) -> None:
    """Run a command in `devices` processes on this machine, and wait until all have ended.

    With several machines, ``MASTER_ADDR`` names the first one, and ``NODE_RANK`` is the number of
    this one.

    Raises
    ------
    ConfigurationError
        if there are several machines, and the environment does not describe them.
    SpeechRnnError
        if a process was killed; the others are ended then.
    SystemExit
        if a process has reported an error, with its exit code.
    """
    places = _places(devices, machines)
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, env={**os.environ, **place})
        for place in places
    ]
    try:
        while not any(codes := [process.poll() for process in started]):
            if None not in codes:
                return
            time.sleep(LOOKS_SECONDS)
    except Stopped as error:
        for process in started:
            process.send_signal(error.signum)
        raise SystemExit(128 + error.signum) from error
    finally:
        _end(started)
    for place, code in zip(places, codes, strict=True):
        if code is not None and code < 0:
            raise SpeechRnnError(
                f"process {place['RANK']} of {devices * machines} was killed "
                f"({signal.Signals(-code).name}), and the others were ended; resume=true "
                f"continues (output_dir={shown(output_dir)})"
            )
    raise SystemExit(max(process.returncode for process in started))


def _places(devices: int, machines: int) -> list[dict[str, str]]:
    """Return the environment of each process."""
    machine, address, port = "0", "127.0.0.1", ""
    if machines > 1:
        machine, address = os.environ.get("NODE_RANK", ""), os.environ.get("MASTER_ADDR", "")
        port = os.environ.get("MASTER_PORT", PORT)
        if not address or machine not in map(str, range(machines)):
            raise ConfigurationError(
                f"trainer.num_nodes={machines} needs two variables on each machine: MASTER_ADDR, "
                f"the address of the first, and NODE_RANK, from 0 to {machines - 1}; or start "
                "with torchrun"
            )
    shared = {
        "WORLD_SIZE": str(devices * machines),
        "LOCAL_WORLD_SIZE": str(devices),
        "GROUP_RANK": machine,
        "MASTER_ADDR": address,
        "MASTER_PORT": port or str(_free_port()),
        LAUNCHED: "1",
        # As torchrun has it: as many threads as cores in each process slow all of them down.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        # One that ends makes torch print pages in the others, and its error is reported once.
        "TORCH_CPP_LOG_LEVEL": os.environ.get("TORCH_CPP_LOG_LEVEL", "ERROR"),
    }
    first = int(machine) * devices
    return [
        {"RANK": str(first + number), "LOCAL_RANK": str(number), **shared}
        for number in range(devices)
    ]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _end(started: Sequence[subprocess.Popen[bytes]]) -> None:
    """Kill the processes that do not end by themselves."""
    last = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < last and any(process.poll() is None for process in started):
        time.sleep(LOOKS_SECONDS)
    for process in started:
        process.kill()
        process.wait()


def end_with_parent() -> None:
    """Let a process that `launch` has started end as soon as the launching one is gone."""
    if is_launched():
        threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is sent: it returns when the other end is closed
    os.kill(os.getpid(), signal.SIGTERM)
