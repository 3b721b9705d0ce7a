"""Trainings of a few seconds on tones."""

import torch
from safetensors.torch import load_file

from tests.commands import speech_rnn

SMALL = (
    "data=manifest",
    "features.n_mels=20",
    "features.n_mfcc=10",
    "model.hidden_size=16",
    "model.dense=16",
    "trainer.batch_size=12",
    "device=cpu",
    "report=false",
)


def run(manifest, output_dir, *overrides, cwd, command="train"):
    """Run a command on a manifest with a small model, and return the finished process."""
    arguments = (*SMALL, f"data.path={manifest}", f"output_dir={output_dir}", *overrides)
    return speech_rnn(command, *arguments, cwd=cwd, module=True)


def assert_same_weights(one, other):
    """Assert that the Recognizers of two runs have the same weights, to the bit."""
    first, second = (load_file(folder / "recognizer.safetensors") for folder in (one, other))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
