"""Settings of a training: the optimizer and its schedule, the epochs, the seed and the folder."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

import speech_rnn
from speech_rnn.errors import ConfigurationError


@dataclass(frozen=True)
class AdamWCosine:
    """AdamW whose learning rate rises linearly and falls along a cosine (Loshchilov & Hutter).

    Parameters
    ----------
    learning_rate : its value at the end of the warm-up.
    final_learning_rate : its value at the end of the training.
    warmup_fraction : share of all steps in which it rises, in [0, 1].
    weight_decay : decoupled decay; biases and normalisation have none.
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
        """Return the schedule over a training of `n_steps`."""
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
    """Length and care of a training.

    Parameters
    ----------
    max_epochs : passes over the training split.
    batch_size : clips of a batch.
    precision : ``32-true``, ``bf16-mixed`` or ``16-mixed``.
    gradient_clip : largest norm of the gradient; None leaves it.
    label_smoothing : of the classification loss, in [0, 1).
    mixup : both parameters of the Beta distribution that draws the shares of two clips, whose
        frames are added and whose classes are both targets (Zhang et al., 2018; 0.1 to 0.4 is
        usual); 0 is off.
    copies : augmented copies of each clip that join the batch, each with its own draws, while the
        clip itself stays as it is; 0 augments each clip, once. A batch then holds
        ``batch_size * (1 + copies)`` clips.
    views : augmented copies of each clip that a front which is frozen whole reads once; epochs take
        them by turns, from memory as float16. 0 augments in every step and computes the front anew,
        and so do mixup, `frame_weight`, connected words, and clips that would take more than 2 GiB.
    balance : in [0, 1]: 0 draws each clip once an epoch; 1 draws as many, but all classes equally
        often; between them a class of n clips has a share in proportion to n^(1 - balance).
    frame_weight : weight of the cross-entropy between each step and the word that is spoken there,
        summed over a word's steps, which joins the CTC loss where the times of words are known.
        CTC alone is content with a word at any one of its steps, and for long with none.
    last_frame_weight : the value to which `frame_weight` falls, step by step. Above 0 a word's
        posterior lasts as long as the word, which separates it from words that contain a part
        of it.
    ema_decay : decay of the moving average of the weights that is validated and kept; None keeps
        the weights themselves.
    patience : epochs without a better validation loss after which training stops; None never.
    select : epoch whose weights the Recognizer gets: ``best``, of the lowest validation loss, or
        ``last``.
    limit_batches : batches of an epoch; None takes all (a few are enough to try a recipe out).
    progress : whether a terminal shows a progress bar.

    Raises
    ------
    ConfigurationError
        for a number out of its range.
    """

    max_epochs: int = 30
    batch_size: int = 64
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
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("max_epochs", "batch_size", "gradient_clip", "patience", "limit_batches"):
            self._check(name, lambda value: value > 0, "above 0")
        for name in ("mixup", "copies", "views"):
            self._check(name, lambda value: value >= 0, "0, which is off, or more")
        self._check("balance", lambda value: 0 <= value <= 1, "in [0, 1]")
        for name in ("label_smoothing", "ema_decay"):
            self._check(name, lambda value: 0 <= value < 1, "in [0, 1)")
        precisions = ("32-true", "bf16-mixed", "16-mixed")
        for name, known in (("select", ("best", "last")), ("precision", precisions)):
            self._check(name, known.__contains__, f"one of {known}")

    def _check(self, name: str, holds: Callable[[Any], bool], rule: str) -> None:
        value = getattr(self, name)
        if value is not None and not holds(value):
            raise ConfigurationError(f"trainer.{name}={value!r} must be {rule}")

    def check_sequences(self) -> None:
        """Refuse what sequences of words cannot be trained with.

        Raises
        ------
        ConfigurationError
            for mixup and balance.
        """
        for name, why in (
            ("mixup", "two texts cannot share the steps of one clip"),
            ("balance", "a sequence of words is of no class"),
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
    trainer : number of epochs, batches, and the weights that are kept.
    seed : seed of weights, order, dropout and augmentation.
    device : ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    output_dir : folder that gets every file of the training.
    resume : continue from the last checkpoint in `output_dir`, if there is one.
    config : the configuration as YAML, which is kept in `output_dir` and beside the weights.
    """

    optim: AdamWCosine = AdamWCosine()
    trainer: Trainer = Trainer()
    seed: int = 0
    device: str = "cpu"
    output_dir: Path = Path("outputs")
    resume: bool = False
    config: str = ""

    def provenance(self) -> dict[str, Any]:
        """Return commit, seed and configuration, as plain values for JSON.

        The commit is that of a source checkout; None for an installed wheel.
        """
        return {"commit": _commit(), "seed": self.seed, "config": self.config}


def _commit() -> str | None:
    here = Path(speech_rnn.__file__).resolve().parents[1]
    if not (here / ".git").exists():
        return None
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # no git: nothing is lost but a name
        return None
    return result.stdout.strip() or None
