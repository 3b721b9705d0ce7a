"""How a model is trained: the optimizer with its schedule, and how long and how carefully."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from speech_rnn.errors import ConfigurationError

__all__ = ["AdamWCosine", "Trainer"]


@dataclass(frozen=True)
class AdamWCosine:
    """AdamW whose learning rate rises linearly and falls along a cosine (Loshchilov & Hutter).

    Parameters
    ----------
    learning_rate : at the end of the warm-up.
    final_learning_rate : at the end of the training.
    warmup_fraction : of all steps.
    weight_decay : decoupled; biases and normalisation have none.
    front_scale : factor on the learning rate of a front that others have trained.
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
                kind = (weight.ndim > 1, name.startswith("front.convolutions."))
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
    """How long and how carefully to train.

    Parameters
    ----------
    max_epochs : passes over the training split.
    batch_size : clips of a batch.
    precision : ``32-true``, ``bf16-mixed`` or ``16-mixed``.
    gradient_clip : largest norm of the gradient; None leaves it.
    label_smoothing : of the classification loss, in [0, 1).
    mixup : both parameters of the Beta distribution that draws the shares of two clips, whose
        frames become one and whose classes are both expected (Zhang et al., 2018; 0.1 to 0.4 is
        usual); 0 is off.
    copies : so many copies of each clip, each augmented with draws of its own, join the batch, and
        the clip itself stays as it is; 0 augments each clip, once. A batch then holds
        ``batch_size * (1 + copies)`` clips.
    balance : in [0, 1]: 0 draws each clip once an epoch; 1 draws as many, but all classes equally
        often; between them a class of n clips has a share in proportion to n^(1 - balance).
    frame_weight : of the cross-entropy between each step and the word that is spoken there, a
        word's steps summed, which joins the CTC loss where the times of words are known. CTC alone
        is content with a word at any one step of it, and for long with none.
    last_frame_weight : to which it falls towards the end, step by step. Above 0 a word's posterior
        lasts as long as the word, which tells it from what is like a part of it.
    ema_decay : of the moving average of the weights that is validated and kept; None keeps the
        weights themselves.
    patience : epochs without a better validation loss after which training stops; None never.
    select : ``best``: the epoch of the lowest validation loss becomes the Recognizer; ``last``.
    limit_batches : batches of an epoch; None takes all (a few are enough to try a recipe out).
    progress : whether a bar shows on a terminal.

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
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigurationError(f"trainer.{name}={value} must be above 0")
        for name in ("mixup", "copies"):
            if getattr(self, name) < 0:
                raise ConfigurationError(
                    f"trainer.{name}={getattr(self, name)} must be 0, which is off, or more"
                )
        if not 0 <= self.balance <= 1:
            raise ConfigurationError(f"trainer.balance={self.balance} must lie in [0, 1]")
        for name in ("label_smoothing", "ema_decay"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise ConfigurationError(f"trainer.{name}={value} must lie in [0, 1)")
        for name, known in (
            ("select", ("best", "last")),
            ("precision", ("32-true", "bf16-mixed", "16-mixed")),
        ):
            if getattr(self, name) not in known:
                given = getattr(self, name)
                raise ConfigurationError(f"trainer.{name}={given!r} must be one of {known}")

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
                    f"trainer.{name}={value} needs one word a clip (vocabulary=classes, without "
                    f"connected): {why}; set it to 0"
                )
