"""The training of a student, which can be resumed from a checkpoint with identical results."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from distillation.augmentation import Augmentation, Batch, padded
from distillation.batching import epoch_batches, read_batch
from distillation.corpus import Corpus
from distillation.losses import Heads, Labels, losses
from distillation.names import Names
from distillation.processes import average_gradients, n_processes, own_number
from distillation.settings import Settings
from distillation.student import Student, new_student
from distillation.teacher import bfloat16_where_fast
from speech_rnn.errors import ModelError
from speech_rnn.features.encoder import FRAMES
from speech_rnn.storage.atomic import replacing

LEAST_RATE = 0.02
"""Final learning rate as a share of the highest one."""
LONGEST_NORM = 2.0
LONGEST_LEAD = 10
"""Maximum number of quiet steps before the clips of a warm batch."""
YOUTH = 20
"""The moving average follows a young student faster: at step n its decay is n / (n + 20)."""


@dataclass(frozen=True)
class Progress:
    """The result of an epoch: its number from 1, the mean of each loss, and clips per second."""

    epoch: int
    losses: dict[str, float]
    clips_per_second: float

    def __str__(self) -> str:
        told = " ".join(f"{name} {value:.3f}" for name, value in self.losses.items())
        return f"epoch {self.epoch} {told} | {self.clips_per_second:.0f} clips/s"


class Training:
    """A student with its heads, optimiser and averaged weights.

    Random draws of an epoch depend on its number: a resumed training is bit-identical to an
    uninterrupted one on the same processor with the same number of threads.

    Parameters
    ----------
    corpus, names, noises : the training data.
    settings : all settings.
    """

    def __init__(
        self, corpus: Corpus, names: Names, noises: list[Tensor], settings: Settings
    ) -> None:
        self.corpus, self.names, self.noises, self.settings = corpus, names, noises, settings
        torch.manual_seed(settings.seed)
        self.student = new_student(settings).to(memory_format=torch.channels_last)  # is faster
        n_values = self.student.encoder.n_outputs
        self.heads = Heads(n_values, corpus.scale.n_asked, len(corpus.vocabulary), settings)
        self.mean = deepcopy(self.student).requires_grad_(False)
        self.parameters = [*self.student.parameters(), *self.heads.parameters()]
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            settings.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.starts, self.sizes = corpus.starts, corpus.sizes
        self.epoch = self.step = 0
        self.before: dict[str, Tensor] = {}
        self._n_batches = len(epoch_batches(self.sizes, settings.batch, np.random.default_rng()))

    def run(self, checkpoint: Path, told: Callable[[Progress], None]) -> Student:
        """Train to the last epoch, and return the student with its averaged weights.

        Parameters
        ----------
        checkpoint : file that is written after each epoch; with `resume`, training continues there.
        told : is given what each epoch has come to, in the first process alone.
        """
        if self.settings.resume and checkpoint.is_file():
            self.load(checkpoint)
        while self.epoch < self.settings.epochs:
            progress = self.run_epoch()
            if own_number() == 0:
                self.save(checkpoint)
                told(progress)
        return self.mean.eval()

    def run_epoch(self) -> Progress:
        """Train on all clips once."""
        order = np.random.default_rng([self.settings.seed, self.epoch])
        batches = epoch_batches(self.sizes, self.settings.batch, order)
        seeds = np.random.SeedSequence([self.settings.seed, self.epoch, own_number()])
        rng = np.random.default_rng(seeds)
        torch.manual_seed(int(seeds.generate_state(1)[0]))  # for dropout
        generator = torch.Generator().manual_seed(int(seeds.generate_state(2)[1]))
        augmentation = Augmentation(self.settings, self.noises, generator)
        begun, sums, count = time.monotonic(), dict[str, float](), dict[str, int]()
        for rows in batches:
            own = rows[own_number() :: n_processes()]
            for name, value in self.run_step(own, rng, augmentation).items():
                sums[name] = sums.get(name, 0.0) + value
                count[name] = count.get(name, 0) + 1
        self.epoch += 1
        if self.epoch == self.settings.restart:
            self.before = {name: mean.clone() for name, mean in self.mean.state_dict().items()}
        speed = len(self.sizes) / (time.monotonic() - begun)
        return Progress(self.epoch, {name: sums[name] / count[name] for name in sums}, speed)

    def run_step(
        self, rows: NDArray[np.int64], rng: np.random.Generator, augmentation: Augmentation
    ) -> dict[str, float]:
        """Train on a batch, and return its losses."""
        is_warm = rng.random() < self.settings.warm
        batch = read_batch(self.corpus, self.starts, self.sizes, rows, rng, is_warm)
        batch, lead = self.prepared(batch, is_warm, rng, augmentation)
        labels = Labels(
            torch.from_numpy(self.corpus.labels[rows]),
            torch.from_numpy(self.names.words[rows].astype(np.int64)),
            torch.from_numpy(self.names.shares[rows].astype(np.float32)),
        )
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        self.student.train()
        with bfloat16_where_fast():
            states = self.student(batch.frames)
            found = losses(self.heads, states, lead, batch, labels, self.settings)
        loss = sum(getattr(self.settings, name) * value for name, value in found.items())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self.parameters)
        nn.utils.clip_grad_norm_(self.parameters, LONGEST_NORM)
        self.optimizer.step()
        self.heads.normalize_words()
        self.step += 1
        self._average()
        return {name: value.item() for name, value in found.items()}

    @torch.no_grad()
    def prepared(
        self, batch: Batch, is_warm: bool, rng: np.random.Generator, augmentation: Augmentation
    ) -> tuple[Batch, int]:
        """Augment a batch or only pad it; return it with the number of frames before its clips."""
        quiet = int(rng.integers(1, LONGEST_LEAD + 1)) if is_warm else 0
        lead, n_steps = FRAMES * quiet, batch.targets.shape[1]
        trail = FRAMES * (n_steps + 1 + self.settings.delay) - batch.frames.shape[1]
        change = augmentation if rng.random() < self.settings.augmented else padded
        return change(batch, lead, trail), lead

    def rate(self) -> float:
        """Return the learning rate of the next step: a warm-up, then a cosine.

        After a restart it continues the cosine that would reach the last epoch.
        """
        last = self.settings.epochs
        if self.epoch < self.settings.restart:
            last = min(last, self.settings.restart)
        done = self.step / (last * self._n_batches)
        warm = min(1.0, (self.step + 1) / max(1, self.settings.warm_up))
        fall = 0.5 * (1 + cos(pi * done)) * (1 - LEAST_RATE) + LEAST_RATE
        return self.settings.learning_rate * warm * fall

    @torch.no_grad()
    def _average(self) -> None:
        """Update the averaged weights and the statistics of batch normalisation."""
        kept = min(self.settings.average, self.step / (self.step + YOUTH))
        new = self.student.state_dict()
        for name, mean in self.mean.state_dict().items():
            if mean.is_floating_point():
                mean.lerp_(new[name], 1 - kept)
            else:
                mean.copy_(new[name])

    def save(self, path: Path) -> None:
        """Write a checkpoint atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        state: dict[str, Any] = {name: part.state_dict() for name, part in self._parts.items()}
        with replacing(path) as partial:
            own = {"before": self.before, "epoch": self.epoch, "step": self.step}
            torch.save({**state, **own}, partial)

    def load(self, path: Path) -> None:
        """Restore a checkpoint.

        Raises
        ------
        ModelError
            if the file cannot be read.
        """
        try:
            state = torch.load(path, weights_only=True)
            for name, part in self._parts.items():
                part.load_state_dict(state[name])
            self.before, self.epoch, self.step = (
                state[name] for name in ("before", "epoch", "step")
            )
        except (OSError, RuntimeError, KeyError, ValueError, UnpicklingError) as error:
            raise ModelError(
                f"checkpoint={str(path)!r} cannot be read: {error}; remove it to start again"
            ) from error

    @property
    def _parts(self) -> dict[str, Any]:
        return {
            "student": self.student,
            "heads": self.heads,
            "mean": self.mean,
            "optimizer": self.optimizer,
        }
