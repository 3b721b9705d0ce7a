"""``transcribe`` as a process: time to the first word, and time for many files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from speech_rnn.audio import write_audio
from speech_rnn.benchmarking.results import Row, Section, Times
from speech_rnn.benchmarking.settings import Settings
from speech_rnn.benchmarking.subjects import clips, measured, one_second
from speech_rnn.benchmarking.timing import turns
from speech_rnn.errors import ModelError

RATE = 16_000
MOST_STARTS = 7
DIFFERENT_FILES = 100
"""Number of distinct sound files; all further files are links to these."""


@dataclass(frozen=True)
class Process:
    """Seconds until a process prints its first line and until it ends, and its peak memory."""

    first_line_seconds: float
    seconds: float
    peak_bytes: float | None


def of_a_process(settings: Settings) -> Section:
    """Time a process from its start to the first line that it prints."""
    with _models(settings) as (models, folder):
        clip = folder / "clip.wav"
        write_audio(clip, one_second(settings.audio, RATE), RATE)
        commands = {name: _transcribe(model, clip) for name, model in models.items()}
        commands["Python alone"] = [sys.executable, "-c", "print()"]
        took: dict[str, list[Process]] = {name: [] for name in commands}
        failed: dict[str, Row] = {}
        for name in turns(commands, min(settings.n_rounds, MOST_STARTS)):
            if name not in failed:
                try:
                    took[name].append(timed(commands[name]))
                except ModelError as error:
                    failed[name] = Row(name, note=f"not measured: {error}")
    rows = tuple(failed.get(name) or _row(name, took[name]) for name in commands)
    return Section("start", "process start to printed word", rows)


def _row(name: str, processes: Sequence[Process]) -> Row:
    times = Times(tuple(process.first_line_seconds for process in processes))
    return Row(name, times, _peak(processes))


def of_files(settings: Settings) -> Section:
    """Time a folder of one-second files and a tenth of it; peak memory should be equal."""
    numbers = sorted({max(1, settings.n_files // 10), settings.n_files}, reverse=True)
    rows = []
    with _models(settings) as (models, folder):
        for n in numbers:
            _fill(folder / str(n), n)
        for model_name, model in models.items():
            for n in numbers:
                name = f"{model_name}, {n:,} files"
                try:
                    process = timed(_transcribe(model, folder / str(n)))
                except ModelError as error:
                    rows.append(Row(name, note=f"not measured: {error}"))
                    continue
                figures = {"files a second": n / process.seconds, **_peak([process])}
                rows.append(Row(name, Times((process.seconds,)), figures))
    return Section("files", "many one-second files", tuple(rows))


@contextmanager
def _models(settings: Settings) -> Iterator[tuple[dict[str, str], Path]]:
    """Yield the recogniser's files by name, and a folder that exists within the context."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        file = settings.model or str(folder / "recognizer.safetensors")
        if settings.model is None:
            measured(settings).save(file)
        exported = {file.name: file.path for file in settings.onnx if not file.reason}
        models = {"PyTorch": file} | exported
        yield {f"transcribe, {engine}": model for engine, model in models.items()}, folder


def _transcribe(model: str, sounds: Path) -> list[str]:
    return [sys.executable, "-m", "speech_rnn", "transcribe", "--model", model, str(sounds)]


def _fill(folder: Path, n_files: int) -> None:
    folder.mkdir()
    sounds = clips(min(n_files, DIFFERENT_FILES), RATE)
    for number in range(n_files):
        file, first = folder / f"{number}.wav", folder / f"{number % DIFFERENT_FILES}.wav"
        if file == first:
            write_audio(file, sounds[number], RATE)
        else:
            os.link(first, file)


def _peak(processes: Sequence[Process]) -> dict[str, float]:
    peaks = [process.peak_bytes for process in processes if process.peak_bytes is not None]
    return {"peak memory (MB)": max(peaks) / 1e6} if peaks else {}


def timed(command: list[str]) -> Process:
    """Run a command and measure it.

    Raises
    ------
    ModelError
        if the command fails.
    """
    stopwatch = [sys.executable, "-I", str(Path(__file__).with_name("stopwatch.py"))]
    finished = subprocess.run([*stopwatch, *command], stdout=subprocess.PIPE, check=True)
    found = json.loads(finished.stdout)
    errors = found.pop("errors")
    if found.pop("exit_code"):
        raise ModelError(errors)
    return Process(**found)
