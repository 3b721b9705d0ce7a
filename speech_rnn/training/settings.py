"""Settings of a training: the optimizer and its schedule, the epochs, the seed and the folder."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

import speech_rnn
from speech_rnn.data.placing import Placing
from speech_rnn.errors import ConfigurationError


@dataclass(frozen=True)
class AdamWCosine:
    """AdamW with a linear warm-up and a cosine decay of the learning rate (Loshchilov & Hutter).

    Parameters
    ----------
    learning_rate : learning rate at the end of the warm-up.
    final_learning_rate : learning rate at the end of the training.
    warmup_fraction : share of all steps that the warm-up takes, in [0, 1].
    weight_decay : decoupled weight decay; biases and normalisation layers have none.
    betas : decay of the running means of the gradient and of its square, in [0, 1).
    front_scale : factor on the learning rate of a pre-trained front end.
    """

    learning_rate: float = 2e-3
    final_learning_rate: float = 1e-5
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    betas: Sequence[float] = (0.9, 0.98)
    front_scale: float = 0.1

    def optimizer(self, model: nn.Module) -> Optimizer:
        """Return AdamW over the parameters of `model`."""
        kinds: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                is_front = name.startswith("front.") and not name.startswith("front.normalization.")
                kind = (weight.ndim > 1, is_front)
                kinds.setdefault(kind, []).append(weight)
        groups = [
            {
                "params": weights,
                "lr": self.learning_rate * (self.front_scale if is_front else 1.0),
                "weight_decay": self.weight_decay if is_matrix else 0.0,
            }
            for (is_matrix, is_front), weights in sorted(kinds.items(), reverse=True)
        ]
        low, high = self.betas
        return torch.optim.AdamW(groups, lr=self.learning_rate, betas=(low, high))

    def schedule(self, optimizer: Optimizer, n_steps: int) -> LambdaLR:
        """Return the schedule for a training of `n_steps`."""
        warmup = max(1, round(self.warmup_fraction * n_steps))
        floor = self.final_learning_rate / self.learning_rate

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            progress = min(1.0, (step - warmup) / max(1, n_steps - warmup))
            return floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2

        return LambdaLR(optimizer, factor)


@dataclass(frozen=True)
class Trainer:
    """Length, batches and regularisation of a training.

    Parameters
    ----------
    max_epochs : passes over the training split.
    min_steps : least number of steps of the whole training. With few clips, an epoch goes through
        them several times, so that there are as many; clips of shards are read once all the same.
    batch_size : number of clips in a batch, of all processes together.
    devices : number of processes on each machine, each with a GPU of its own or on the CPU; None
        starts none beside this one, and takes the number of ``torchrun``.
    num_nodes : number of machines; None is one, or the number of ``torchrun``.
    accumulate : number of parts of its share of a batch that a process computes one after the
        other. Their gradients are added, so that a batch needs less memory. Batch normalisation
        takes its statistics from each part.
    precision : ``32-true``, ``bf16-mixed`` or ``16-mixed``.
    gradient_clip : largest norm of the gradient; None does not clip it.
    label_smoothing : label smoothing of the classification loss, in [0, 1).
    mixup : both parameters of the Beta distribution from which the mixing share of two clips is
        drawn. Their frames are added, and both classes are targets (Zhang et al., 2018; 0.1 to 0.4
        is usual). 0 turns mixup off.
    copies : number of augmented copies of each clip that are added to the batch, each with its own
        draws; the clip itself stays unchanged, and a batch holds ``batch_size * (1 + copies)``
        clips. With 0, each clip is augmented once.
    views : number of augmented copies of each clip that a completely frozen front processes once.
        Epochs use them in turn; they are kept in memory as float16. Connected words are joined anew
        in each. With 0, every step augments the clips and runs the front. So it does with mixup,
        and if the embeddings would take more than 2 GiB.
    balance : exponent in [0, 2]. With 0, an epoch has each clip once; with 1, it has as many clips,
        but all classes are equally frequent. The share of a class of n clips is proportional to
        n^(1 - balance): above 1 the rarest class is the most frequent, which helps words of which
        a few clips cannot show how they vary.
    frame_weight : weight of the cross-entropy between each step and the word that is spoken there,
        summed over the steps of a word and added to the CTC loss if the times of words are known.
        CTC alone requires a word in one of its steps only, and learns none for a long time.
    last_frame_weight : value to which `frame_weight` falls linearly until the end of the training.
        Above 0, the posterior of a word lasts as long as the word, which separates it from words
        that contain a part of it.
    ema_decay : decay of the moving average of the weights, which is validated and kept; None keeps
        the weights themselves.
    patience : number of epochs without a better validation loss after which training stops; None
        never stops early.
    select : epoch whose weights the Recognizer gets: ``best`` (lowest validation loss) or
        ``last``.
    limit_batches : number of batches in an epoch; None takes all. A few are enough for a trial.
    checkpoint_minutes : minutes between two checkpoints within an epoch, from which `resume`
        continues with the next step; there is also one at the end of each epoch.
    progress : whether to show a progress bar on terminals.

    Raises
    ------
    ConfigurationError
        if a number is out of its range.
    """

    max_epochs: int = 30
    min_steps: int = 0
    batch_size: int = 64
    devices: int | None = None
    num_nodes: int | None = None
    accumulate: int = 1
    precision: str = "32-true"
    gradient_clip: float | None = 5.0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    copies: int = 0
    views: int = 4
    balance: float = 0.0
    frame_weight: float = 0.0
    last_frame_weight: float = 0.0
    ema_decay: float | None = None
    patience: int | None = None
    select: str = "best"
    limit_batches: int | None = None
    checkpoint_minutes: float = 10.0
    progress: bool = True

    def __post_init__(self) -> None:
        for name in (
            "max_epochs",
            "batch_size",
            "devices",
            "num_nodes",
            "accumulate",
            "gradient_clip",
            "patience",
            "limit_batches",
            "checkpoint_minutes",
        ):
            self._check(name, lambda value: value > 0, "above 0")
        for name in ("min_steps", "mixup", "copies", "views"):
            self._check(name, lambda value: value >= 0, "0, which is off, or more")
        self._check("balance", lambda value: 0 <= value <= 2, "in [0, 2]")
        for name in ("label_smoothing", "ema_decay"):
            self._check(name, lambda value: 0 <= value < 1, "in [0, 1)")
        precisions = ("32-true", "bf16-mixed", "16-mixed")
        for name, known in (("select", ("best", "last")), ("precision", precisions)):
            self._check(name, known.__contains__, f"one of {known}")

    @property
    def processes(self) -> int | None:
        """Number of processes that the settings name; None if they name none."""
        if self.devices is None and self.num_nodes is None:
            return None
        return (self.devices or 1) * (self.num_nodes or 1)

    def passes(self, n_clips: int) -> int:
        """Return how often an epoch goes through `n_clips` clips, see `min_steps`."""
        n_batches = self.max_epochs * math.ceil(n_clips / self.batch_size)
        return max(1, math.ceil(self.min_steps / n_batches))

    def _check(self, name: str, holds: Callable[[Any], bool], rule: str) -> None:
        value = getattr(self, name)
        if value is not None and not holds(value):
            raise ConfigurationError(f"trainer.{name}={value!r} must be {rule}")

    def check_sequences(self) -> None:
        """Raise for settings with which sequences of words cannot be trained.

        Raises
        ------
        ConfigurationError
            if mixup or balance is above 0.
        """
        for name, why in (
            ("mixup", "two texts cannot share the steps of one clip"),
            ("balance", "a sequence of words belongs to no class"),
        ):
            if value := getattr(self, name):
                raise ConfigurationError(
                    f"trainer.{name}={value} needs one word in each clip (vocabulary=classes, "
                    "without "
                    f"connected): {why}; set it to 0"
                )


@dataclass(frozen=True)
class Run:
    """Settings that every kind of training shares.

    Parameters
    ----------
    optim : optimizer and schedule.
    trainer : epochs, batches, and the choice of weights.
    seed : seed of weights, order, dropout and augmentation.
    device : ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    output_dir : folder that receives all files of the training.
    resume : whether to continue from the last checkpoint in `output_dir`, if there is one.
    config : the configuration as YAML, which is stored in `output_dir` and with the weights.
    placing : the place where clips are kept.
    """

    optim: AdamWCosine = AdamWCosine()
    trainer: Trainer = Trainer()
    seed: int = 0
    device: str = "cpu"
    output_dir: Path = Path("outputs")
    resume: bool = False
    config: str = ""
    placing: Placing = field(default_factory=Placing)

    def provenance(self) -> dict[str, Any]:
        """Return commit, seed and configuration as plain values for JSON.

        The commit is that of a source checkout; it is None for an installed wheel.
        """
        return {"commit": commit(), "seed": self.seed, "config": self.config}


def commit() -> str | None:
    """Return the commit of a source checkout; None for an installed wheel."""
    here = Path(speech_rnn.__file__).resolve().parents[1]
    if not (here / ".git").exists():
        return None
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # git is not installed: only the commit is missing
        return None
    return result.stdout.strip() or None
