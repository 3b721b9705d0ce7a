"""A corpus becomes a Recognizer: settings, the Lightning modules, the run and its folder."""

from speech_rnn.training.claiming import claimed
from speech_rnn.training.fitting import fit
from speech_rnn.training.module import SeededModule
from speech_rnn.training.run import Recipe, TrainingResult, train
from speech_rnn.training.settings import AdamWCosine, Run, Trainer
from speech_rnn.training.targets import step_targets

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
