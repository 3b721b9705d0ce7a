"""A corpus becomes a Recognizer: settings, the Lightning modules, the run and its folder."""

from speech_rnn.training.fitting import claim, fit, lightning_trainer
from speech_rnn.training.module import SeededModule, mixed_seed
from speech_rnn.training.run import TrainingResult, current_commit, train
from speech_rnn.training.settings import AdamWCosine, Trainer
from speech_rnn.training.targets import step_targets

__all__ = [
    "AdamWCosine",
    "SeededModule",
    "Trainer",
    "TrainingResult",
    "claim",
    "current_commit",
    "fit",
    "lightning_trainer",
    "mixed_seed",
    "step_targets",
    "train",
]
