"""Sections run one after the other, each in a process with its own number of threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from speech_rnn.benchmarking.exported import loaded, with_exported
from speech_rnn.benchmarking.results import Benchmark, Row, Section
from speech_rnn.benchmarking.settings import THREADS, Settings
from speech_rnn.benchmarking.sounds import one_second
from speech_rnn.benchmarking.subjects import measured
from speech_rnn.evaluation.machine import n_cores, processor, versions

__all__ = ["run"]

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

USING_ONNX = {"model", "stream", "peers", "start", "files"}


def run(
    settings: Settings, command: str = "", tell: Callable[[Section], None] | None = None
) -> Benchmark:
    """Run the sections that `settings` name.

    Parameters
    ----------
    settings : what is measured, and how thoroughly.
    command : the line that started it.
    tell : is called with each section as soon as it is there.

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
    """Read what a person has named, before a process would fail with it."""
    if settings.model is not None:
        measured(settings)
    for file in settings.onnx:
        loaded(file)
    if settings.audio is not None:
        one_second(settings.audio, 16_000)


def _in_a_process(name: str, settings: Settings) -> Section:
    n_threads = THREADS[name]
    with TemporaryDirectory() as folder:
        result = Path(folder) / "section.json"
        finished = subprocess.run(
            [sys.executable, "-m", "speech_rnn.benchmarking.worker", name, str(result)],
            input=json.dumps(settings.to_dict()),
            capture_output=True,
            text=True,
            env=os.environ | dict.fromkeys(THREAD_VARIABLES, str(n_threads)),
            check=False,
        )
        if finished.returncode == 0:
            return Section.of_dict(json.loads(result.read_text()))
    lines = finished.stderr.strip().splitlines() or [f"exit code {finished.returncode}"]
    return Section(name, name, n_threads, (Row(name, note=f"not measured: {lines[-1]}"),))
