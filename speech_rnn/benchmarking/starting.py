"""``transcribe`` in a process of its own: until the first word, and through very many files."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from speech_rnn.audio import write_audio
from speech_rnn.benchmarking.results import Row, Section
from speech_rnn.benchmarking.settings import THREADS, Settings
from speech_rnn.benchmarking.sounds import clips, one_second
from speech_rnn.benchmarking.subjects import measured
from speech_rnn.benchmarking.timing import Times, turns
from speech_rnn.errors import ModelError

__all__ = ["of_a_process", "of_files"]

RATE = 16_000
MOST_STARTS = 7
DIFFERENT_FILES = 100
"""The others are links to these."""


@dataclass(frozen=True)
class _Process:
    first_line_seconds: float
    seconds: float
    peak_bytes: float | None


def of_a_process(settings: Settings) -> Section:
    """Time a process from its start to the first line that it prints."""
    with _subject(settings) as (model, folder):
        clip = folder / "clip.wav"
        write_audio(clip, one_second(settings.audio, RATE), RATE)
        commands = {
            "transcribe, PyTorch": _transcribe(model, clip),
            "Python alone": [sys.executable, "-c", "print()"],
        }
        took: dict[str, list[_Process]] = {name: [] for name in commands}
        for name in turns(commands, min(settings.n_rounds, MOST_STARTS)):
            took[name].append(_run(commands[name]))
    rows = tuple(
        Row(
            name,
            Times(tuple(process.first_line_seconds for process in processes)),
            _peak(processes),
        )
        for name, processes in took.items()
    )
    return Section("start", "process start to printed word", THREADS["start"], rows)


def of_files(settings: Settings) -> Section:
    """Time a folder of one-second files, and a tenth of it: memory should be the same."""
    rows = []
    with _subject(settings) as (model, folder):
        for n in sorted({max(1, settings.n_files // 10), settings.n_files}):
            some = folder / str(n)
            _fill(some, n)
            process = _run(_transcribe(model, some))
            figures = {"files a second": n / process.seconds, **_peak([process])}
            name = f"transcribe, PyTorch, {n:,} files"
            rows.append(Row(name, Times((process.seconds,)), figures))
    return Section("files", "many one-second files", THREADS["files"], tuple(rows))


@contextmanager
def _subject(settings: Settings) -> Iterator[tuple[Path, Path]]:
    """Give the model's file, and a folder that goes with the context."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        if settings.model is not None:
            yield Path(settings.model), folder
        else:
            measured(settings).save(folder / "recognizer.safetensors")
            yield folder / "recognizer.safetensors", folder


def _transcribe(model: Path, sounds: Path) -> list[str]:
    return [sys.executable, "-m", "speech_rnn", "transcribe", "--model", str(model), str(sounds)]


def _fill(folder: Path, n_files: int) -> None:
    folder.mkdir()
    sounds = clips(min(n_files, DIFFERENT_FILES), RATE)
    for number in range(n_files):
        file, first = folder / f"{number}.wav", folder / f"{number % DIFFERENT_FILES}.wav"
        if file == first:
            write_audio(file, sounds[number], RATE)
        else:
            os.link(first, file)


def _peak(processes: list[_Process]) -> dict[str, float]:
    peaks = [process.peak_bytes for process in processes if process.peak_bytes is not None]
    return {"peak memory (MB)": max(peaks) / 1e6} if peaks else {}


def _run(command: list[str]) -> _Process:
    """Run a command, and measure it.

    Raises
    ------
    ModelError
        if it fails.
    """
    with TemporaryFile() as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        assert process.stdout is not None
        process.stdout.readline()
        first_line = time.perf_counter() - begun
        process.stdout.read()
        peak = _wait(process)
        seconds = time.perf_counter() - begun
        process.stdout.close()
        if process.returncode:
            errors.seek(0)
            raise ModelError(errors.read().decode(errors="replace").strip())
    return _Process(first_line, seconds, peak)


def _wait(process: subprocess.Popen[bytes]) -> float | None:
    """Wait for a process and return the most memory that it held, in bytes, where that is told."""
    if not hasattr(os, "wait4"):  # on Windows
        process.wait()
        return None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return float(usage.ru_maxrss) * (1 if sys.platform == "darwin" else 1024)
