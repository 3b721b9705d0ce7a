"""Run sections one after another, each in a process with its own number of threads."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from speech_rnn.benchmarking.results import Benchmark, Row, Section
from speech_rnn.benchmarking.settings import MEASURED, Settings
from speech_rnn.benchmarking.subjects import loaded, measured, one_second, with_exported
from speech_rnn.evaluation.machine import n_cores, processor, versions

PACKAGES = (
    "speech-rnn",
    "torch",
    "torchaudio",
    "onnxruntime",
    "numpy",
    "librosa",
    "kaldi-native-fbank",
    "flashlight-text",
    "pocketsphinx",
    "pyopen-wakeword",
)
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
USING_ONNX = {"model", "stages", "stream", "peers", "start", "files"}
WORKER = "from speech_rnn.benchmarking.running import work; work()"


def run(
    settings: Settings, command: str = "", tell: Callable[[Section], None] | None = None
) -> Benchmark:
    """Run the sections that `settings` name.

    Parameters
    ----------
    settings : sections, contenders and number of rounds.
    command : command line of the benchmark.
    tell : called with each section as soon as it has been measured.

    Raises
    ------
    ModelError, AudioError
        if the model or the sound that `settings` name cannot be read.
    """
    _check(settings)
    sections = []
    with TemporaryDirectory() as folder:
        if USING_ONNX & set(settings.sections):
            settings = with_exported(settings, Path(folder))
        for name in settings.sections:
            sections.append(_in_a_process(name, settings))
            if tell is not None:
                tell(sections[-1])
    return Benchmark(processor(), n_cores(), versions(PACKAGES), command, tuple(sections))


def _check(settings: Settings) -> None:
    """Read the files that `settings` name, so that an error appears before a process starts."""
    if settings.model is not None:
        measured(settings)
    for file in settings.onnx:
        loaded(file)
    if settings.audio is not None:
        one_second(settings.audio, 16_000)


def _in_a_process(name: str, settings: Settings) -> Section:
    with TemporaryDirectory() as folder:
        result = Path(folder) / "section"
        finished = subprocess.run(
            [sys.executable, "-c", WORKER, name, str(result)],
            input=pickle.dumps(settings),
            capture_output=True,
            # Libraries read these when they are imported.
            env=os.environ | dict.fromkeys(THREAD_VARIABLES, str(MEASURED[name][1])),
            check=False,
        )
        if finished.returncode == 0:
            section: Section = pickle.loads(result.read_bytes())
            return section
    lines = finished.stderr.decode(errors="replace").strip().splitlines()
    reason = lines[-1] if lines else f"exit code {finished.returncode}"
    return Section(name, name, (Row(name, note=f"not measured: {reason}"),))


def work() -> None:
    """Measure one section in this process; read its settings from standard input."""
    name, result = sys.argv[1:]
    torch.set_num_threads(MEASURED[name][1])
    settings = pickle.load(sys.stdin.buffer)
    Path(result).write_bytes(pickle.dumps(measure(name, settings)))


def measure(name: str, settings: Settings) -> Section:
    """Measure a section in this process, with its current number of threads."""
    module, _, function = MEASURED[name][0].partition(".")
    place = import_module(f"speech_rnn.benchmarking.{module}")
    section: Section = getattr(place, function)(settings)
    return section
