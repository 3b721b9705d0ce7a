"""Runs one section: ``python -m speech_rnn.benchmarking.worker NAME RESULT < SETTINGS``."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

import torch

from speech_rnn.benchmarking.results import Section
from speech_rnn.benchmarking.settings import THREADS, Settings

__all__ = ["measure"]

PLACES = {
    "features": "features.of_a_batch",
    "clip": "features.of_a_clip",
    "model": "models.of_a_clip",
    "stream": "models.of_a_stream",
    "peers": "peers.of_a_second",
    "decoding": "decoding.of_utterances",
    "growth": "growths.of_an_answer",
    "start": "starting.of_a_process",
    "files": "starting.of_files",
    "training": "training.of_digits",
}
"""The function of each section."""


def measure(name: str, settings: Settings) -> Section:
    """Run a section in this process, with the threads that it has."""
    module, _, function = PLACES[name].partition(".")
    section: Section = getattr(import_module(f"speech_rnn.benchmarking.{module}"), function)(
        settings
    )
    return section


def main() -> None:
    """Run a section with its number of threads of PyTorch, and write its result."""
    name, result = sys.argv[1:]
    torch.set_num_threads(THREADS[name])
    section = measure(name, Settings.of_dict(json.load(sys.stdin)))
    Path(result).write_text(json.dumps(section.to_dict()))


if __name__ == "__main__":
    main()
