"""Train a Recognizer on a corpus: settings, Lightning modules, the run and its folder.

The public names are imported when they are first used, because a command that only reads settings
needs no Lightning, whose import takes seconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speech_rnn.training.claiming import claimed as claimed
    from speech_rnn.training.fitting import fit as fit
    from speech_rnn.training.module import SeededModule as SeededModule
    from speech_rnn.training.recipe import Recipe as Recipe
    from speech_rnn.training.run import TrainingResult as TrainingResult
    from speech_rnn.training.run import train as train
    from speech_rnn.training.settings import AdamWCosine as AdamWCosine
    from speech_rnn.training.settings import Run as Run
    from speech_rnn.training.settings import Trainer as Trainer
    from speech_rnn.training.targets import step_targets as step_targets

_FILES = {
    "AdamWCosine": "settings",
    "Recipe": "recipe",
    "Run": "settings",
    "SeededModule": "module",
    "Trainer": "settings",
    "TrainingResult": "run",
    "claimed": "claiming",
    "fit": "fitting",
    "step_targets": "targets",
    "train": "run",
}

__all__ = [
    "AdamWCosine",
    "Recipe",
    "Run",
    "SeededModule",
    "Trainer",
    "TrainingResult",
    "claimed",
    "fit",
    "step_targets",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module 'speech_rnn.training' has no attribute {name!r}")
    return getattr(import_module(f"speech_rnn.training.{_FILES[name]}"), name)
