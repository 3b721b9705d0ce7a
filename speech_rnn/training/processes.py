"""Train in several processes: connect them, compare their settings, and end all but the first.

`torchrun`, or `speech_rnn.training.launching`, has started them and set their environment.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import torch
from torch import distributed as dist
from torch.distributed.rendezvous import rendezvous

import speech_rnn
from speech_rnn.engines.device import choose_device
from speech_rnn.errors import ConfigurationError, DataError, SpeechRnnError, Stopped
from speech_rnn.storage.folders import shown
from speech_rnn.tensors.processes import from_first, gathered, process_of
from speech_rnn.training.claiming import ABSENT, MOST_NAMED, settings_of
from speech_rnn.training.launching import end_with_parent, is_launched, is_one_of_several
from speech_rnn.training.settings import Run, Trainer, commit

MEETING = timedelta(minutes=10)
"""Longest time in which all processes have to start."""
PATIENCE = timedelta(hours=2)
"""Longest time that a process waits for another one, which may have to read its clips."""
LOST = ("gloo", "Connection", "NCCL", "Broken pipe", "Timed out")
"""Words of torch's errors about a process that no longer answers."""
REPORTED = "reported"
FIRST_SECONDS = 1.0
"""Time in which the first process reports an error that the others have as well."""


class Finished(BaseException):
    """The work of this process is done; the first process does the rest."""


def finish() -> None:
    """Leave the processes that train together; only the first one continues.

    Raises
    ------
    Finished
        in the others. `joined` catches it.
    """
    process, processes = process_of()
    if processes > 1:
        gathered(process)  # all are here
        dist.destroy_process_group()
    if process:
        raise Finished


def check_number(trainer: Trainer) -> None:
    """Check that as many processes train together as the settings name.

    Raises
    ------
    ConfigurationError
        if there are more or fewer.
    """
    processes = process_of()[1]
    if trainer.processes not in (None, processes):
        raise ConfigurationError(
            f"trainer.devices={trainer.devices} trainer.num_nodes={trainer.num_nodes} are "
            f"{trainer.processes} processes, and this training has {processes}; start it with "
            "speech-rnn train, or leave both out and let torchrun choose"
        )


@contextmanager
def joined(run: Run) -> Iterator[Run]:
    """Join the processes of a training, and yield its settings for this process.

    In all processes but the first, the block ends with `finish`. The first
    process alone reports an error that all of them have.

    Raises
    ------
    ConfigurationError
        if the processes do not find each other, if settings, commit or versions differ, or if a
        machine has fewer GPUs than processes.
    DataError
        if another process has ended.
    """
    if not is_one_of_several():
        yield run
        return
    end_with_parent()
    store = _meeting_place()
    with _reported_once(store, run), suppress(Finished):
        device = _own_device(run.device)
        dist.init_process_group(
            "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl",
            store=store,
            rank=int(os.environ["RANK"]),
            world_size=int(os.environ["WORLD_SIZE"]),
            timeout=PATIENCE,
        )
        if device != "cpu":
            torch.cuda.set_device(device)
        check_number(run.trainer)
        agree(
            {
                "speech_rnn": speech_rnn.__version__,
                "torch": torch.__version__,
                "commit": commit(),
                "seed": run.seed,
                **{f"trainer.{name}": value for name, value in asdict(run.trainer).items()},
                **{f"optim.{name}": value for name, value in asdict(run.optim).items()},
                **settings_of(run.config),
            }
        )
        output_dir, resume = from_first(lambda: (run.output_dir, run.resume))
        yield replace(run, device=device, output_dir=output_dir, resume=resume)


@contextmanager
def first_on_machine() -> Iterator[None]:
    """Let the first process of each machine download or make files; the others find them."""
    if process_of()[1] == 1:
        yield
        return
    is_first = os.environ["LOCAL_RANK"] == "0"
    if not is_first:
        gathered(is_first)  # waits for those that are first
    yield
    if is_first:
        gathered(is_first)


def agree(values: Mapping[str, Any]) -> None:
    """Check that all processes have the same values.

    Raises
    ------
    ConfigurationError
        if a process has other values than the first.
    """
    found = gathered((socket.gethostname(), dict(values)))
    first_host, first = found[0]
    for process, (host, own) in enumerate(found):
        others = [name for name in {**first, **own} if first.get(name) != own.get(name)]
        if not others:
            continue
        listed = "; ".join(
            f"{name}={own.get(name, ABSENT)} there, {first.get(name, ABSENT)} in process 0"
            for name in others[:MOST_NAMED]
        )
        raise ConfigurationError(
            f"process {process} (on {host}) differs from process 0 (on {first_host}): {listed}; "
            "start all with the same package, settings and clips"
        )


def _meeting_place() -> dist.Store:
    """Return the values that all processes share, once they have met."""
    place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    try:
        store, _, _ = next(rendezvous("env://", timeout=MEETING))
    except dist.DistError as error:
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(
            f"process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} did not meet the others "
            f"at {place} ({reason}); start all of them within 10 minutes, and choose another "
            "MASTER_PORT if it is in use"
        ) from error
    store.set_timeout(PATIENCE)
    return store


@contextmanager
def _reported_once(store: dist.Store, run: Run) -> Iterator[None]:
    """Let one process report an error, and end the others without a message."""
    process, processes = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    try:
        yield
    except Stopped as error:
        if process:
            raise SystemExit(128 + error.signum) from error
        raise
    except SpeechRnnError as error:
        if process == 0:
            _reports(store, process)
            raise
        time.sleep(FIRST_SECONDS)
        if not _reports(store, process):
            raise SystemExit(error.exit_code) from error
        reported = SpeechRnnError(f"process {process} of {processes}: {error}")
        reported.exit_code = error.exit_code
        raise reported from error
    except RuntimeError as error:
        if not any(word in str(error) for word in LOST):
            raise
        if process or is_launched() or not _reports(store, process):
            raise SystemExit(1) from error
        raise DataError(
            f"another of the {processes} processes has ended; resume=true continues "
            f"(output_dir={shown(run.output_dir)})"
        ) from error


def _reports(store: dist.Store, process: int) -> bool:
    """Return whether this process reports an error: no other one did, and all are running."""
    try:
        return store.compare_set(REPORTED, "", str(process)) == str(process).encode()
    except RuntimeError:  # the first process has ended, and taken the store with it
        return process == 0


def _own_device(name: str) -> str:
    """Return the device of this process: each has a GPU of its own."""
    if ":" in name:
        raise ConfigurationError(
            f"device={name!r} is one GPU, and there are {os.environ['WORLD_SIZE']} processes; "
            "choose device=cuda, which gives each its own"
        )
    device = choose_device(name)
    if device.type == "cpu":
        return "cpu"
    processes = int(os.environ["LOCAL_WORLD_SIZE"])
    available = torch.cuda.device_count()  # none with mps
    if processes > max(1, available) or not available:
        raise ConfigurationError(
            f"device={name!r}: {processes} processes on this machine need as many GPUs, and it has "
            f"{available} of CUDA; start fewer, or choose device=cpu"
        )
    return f"cuda:{os.environ['LOCAL_RANK']}"
