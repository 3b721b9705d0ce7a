"""Lightning modules: the training and validation steps."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Optimizer

from speech_rnn.augment import Augment, mixup
from speech_rnn.data.batching import Batch
from speech_rnn.decoding.greedy import greedy_path
from speech_rnn.features import LogMel
from speech_rnn.metrics import word_error_rate
from speech_rnn.model import AcousticModel
from speech_rnn.tensors.processes import process_of
from speech_rnn.training.settings import Run
from speech_rnn.training.targets import Mixture, step_targets
from speech_rnn.training.views import EmbeddedBatch
from speech_rnn.vocabulary import Vocabulary


class SeededModule(pl.LightningModule):
    """The base of every training: seeded steps and epochs, and AdamW with its schedule.

    All randomness of a step comes from the seed and the step's number, so that a resumed run draws
    the same numbers as an uninterrupted one.
    """

    def __init__(self, model: nn.Module, run: Run) -> None:
        super().__init__()
        self.model, self.run = model, run
        self._part: tuple[int, ...] = ()

    def loss(self, batch: Any) -> tuple[Tensor, int]:
        """Return the mean loss of a training batch, and the number of its clips.

        Of a part of a batch, it is the weighted loss (see `Part.weight`), and the number of clips
        of the whole batch.
        """
        raise NotImplementedError

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Set the seed of the step, and log the loss."""
        self._part = self._place(batch_idx)
        torch.manual_seed(self.step_seed())  # dropout
        loss, n_clips = self.loss(batch)
        self.log(
            "train/loss", loss, batch_size=n_clips, on_step=False, on_epoch=True, sync_dist=True
        )
        return loss

    def _place(self, batch_idx: int) -> tuple[int, ...]:
        """Return numbers that make the draws of each part of a batch differ."""
        process, processes = process_of()
        turns = self.trainer.accumulate_grad_batches
        return (process * turns + batch_idx % turns,) if processes * turns > 1 else ()

    def step_seed(self, *numbers: int) -> int:
        """Return a seed for the current step; `numbers` give each purpose a seed of its own."""
        return mixed_seed(self.run.seed, self.global_step, *numbers, *self._part)

    def on_train_epoch_start(self) -> None:
        """Select the order of the epoch's batches."""
        # After a resume, Lightning counts an epoch twice (measured: tests/test_training.py).
        loader: Any = self.trainer.train_dataloader
        n_batches = int(self.trainer.num_training_batches) // loader.turns
        loader.order.begin(*divmod(self.global_step, n_batches))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the optimizer and its schedule, which advances with each step."""
        optimizer = self.run.optim.optimizer(self.model)
        n_steps = int(self.trainer.estimated_stepping_batches)
        schedule = self.run.optim.schedule(optimizer, n_steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class SpeechModule(SeededModule):
    """Training and validation steps of an acoustic model."""

    model: AcousticModel

    def __init__(
        self,
        features: LogMel,
        model: AcousticModel,
        vocabulary: Vocabulary,
        augment: Augment,
        run: Run,
    ) -> None:
        super().__init__(model, run)
        self.features = features
        # A function hides it from the moving average, which would copy all its noise in each step.
        self._augment = lambda: augment
        self.vocabulary, self.settings = vocabulary, run.trainer

    @property
    def augment(self) -> Augment:
        """The augmentation of the training clips."""
        return self._augment()

    def on_fit_start(self) -> None:
        """Move the noise and the rooms of the augmentation to the device of the model."""
        self.augment.to(self.device)

    def transfer_batch_to_device(
        self, batch: Batch | EmbeddedBatch, device: torch.device, dataloader_idx: int
    ) -> Batch | EmbeddedBatch:
        """Move a batch to a device."""
        return batch.to(device)

    def loss(self, batch: Batch | EmbeddedBatch) -> tuple[Tensor, int]:
        """Augment a batch, and return its mean loss and the number of its clips."""
        if isinstance(batch, EmbeddedBatch):
            logits, lengths = self._logits(batch)
            return self._training_loss(logits, lengths, batch.clips), batch.clips.n_clips
        generator = torch.Generator(self.device)
        generator.manual_seed(self.step_seed(1))
        with torch.no_grad():
            frames, lengths, batch = self.augmented(batch, generator)
            mixture = self._mixture(len(frames)) if self.settings.mixup else None
            if mixture:
                frames, lengths = mixup(frames, lengths, *mixture)
        logits, lengths = self.model(frames, lengths)
        return self._training_loss(logits, lengths, batch, mixture), batch.n_clips

    def _training_loss(
        self, logits: Tensor, lengths: Tensor, batch: Batch, mixture: Mixture | None = None
    ) -> Tensor:
        """Return the loss with label smoothing, mixed targets, and that of the steps."""
        loss = self._loss(logits, lengths, batch, self.settings.label_smoothing, mixture)
        loss = batch.weight * loss
        if batch.spans is not None and self.settings.frame_weight:
            of_steps = self._frame_loss(logits, lengths, batch, batch.spans)
            loss = loss + batch.word_weight * of_steps
        return loss

    def _frame_loss(self, logits: Tensor, lengths: Tensor, batch: Batch, spans: Tensor) -> Tensor:
        """Return the weighted cross-entropy between each step and the word spoken there."""
        step = self.features.hop_length * self.model.subsampling
        places = step_targets(spans, batch.targets, lengths, step)
        missed = F.cross_entropy(logits.transpose(1, 2), places, reduction="sum")
        to_go = 1 - self.global_step / int(self.trainer.estimated_stepping_batches)
        words = batch.target_lengths.sum().clamp(min=1)
        first, last = self.settings.frame_weight, self.settings.last_frame_weight
        return (last + to_go * (first - last)) * missed / words

    def augmented(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor, Batch]:
        """Return augmented frames (B, T, D), their lengths (B,), and the batch they belong to.

        With `Trainer.copies`, the original clips come first, then their augmented copies.
        """
        copies = batch.repeated(max(1, self.settings.copies))
        frames, lengths, spans = self._changed(copies, generator)
        if not self.settings.copies:
            return frames, lengths, replace(batch, spans=spans)
        plain, plain_lengths = self.features(batch.waveform, batch.lengths)
        longest = max(plain.shape[1], frames.shape[1])
        both = [F.pad(some, (0, 0, 0, longest - some.shape[1])) for some in (plain, frames)]
        if batch.spans is not None and spans is not None:
            spans = torch.cat([batch.spans, spans])
        joined = replace(batch.repeated(1 + self.settings.copies), spans=spans)
        return torch.cat(both), torch.cat([plain_lengths, lengths]), joined

    def _changed(
        self, batch: Batch, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return augmented frames (B, T, D), their lengths (B,), and the times of their words."""
        waveform, lengths, spans = self.augment.waveform(
            batch.waveform, batch.lengths, generator, batch.spans, batch.talkers
        )
        frames, lengths = self.features(waveform, lengths)
        return self.augment.frames(frames, lengths, generator), lengths, spans

    @torch.no_grad()
    def embed(self, batch: Batch, *drawn: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return embeddings (B, S, D) of clips before normalisation, and their lengths (B,).

        The third are the times of their words, as in `Batch.spans`. The clips are augmented with
        draws that depend on the seed and the numbers `drawn`; without numbers they are not
        augmented.
        """
        batch = batch.to(self.device)
        with self.trainer.precision_plugin.forward_context():
            if not drawn:
                frames, lengths = self.features(batch.waveform, batch.lengths)
                return *self.model.embed(frames, lengths), batch.spans
            generator = torch.Generator(self.device)
            generator.manual_seed(mixed_seed(self.run.seed, *drawn, 3))
            frames, lengths, spans = self._changed(batch, generator)
            return *self.model.embed(frames, lengths), spans

    def _logits(self, batch: Batch | EmbeddedBatch) -> tuple[Tensor, Tensor]:
        """Return logits of clips, or of their embeddings; see `AcousticModel`."""
        if isinstance(batch, EmbeddedBatch):
            steps = batch.steps.float()
            return self.model(steps, batch.lengths, embedded=True)
        frames, lengths = self.features(batch.waveform, batch.lengths)
        return self.model(frames, lengths)

    def _mixture(self, n_clips: int) -> Mixture:
        """Draw a partner and a mixing share for each clip."""
        random = np.random.default_rng(self.step_seed(2))
        share = random.beta(self.settings.mixup, self.settings.mixup, n_clips)
        return Mixture(
            torch.from_numpy(random.permutation(n_clips)).to(self.device),
            torch.from_numpy(share).float().to(self.device),
        )

    def validation_step(self, batch: Batch | EmbeddedBatch, batch_idx: int) -> None:
        """Log the loss and the error rate of a validation batch."""
        logits, lengths = self._logits(batch)
        if isinstance(batch, EmbeddedBatch):
            batch = batch.clips
        figures: dict[str, Tensor | float] = {
            "validation/loss": batch.weight * self._loss(logits, lengths, batch),
            "validation/error_rate": batch.weight * self._error_rate(logits, lengths, batch),
        }
        self.log_dict(figures, batch_size=batch.n_clips, prog_bar=True, sync_dist=True)

    def _loss(
        self,
        logits: Tensor,
        lengths: Tensor,
        batch: Batch,
        label_smoothing: float = 0.0,
        mixture: Mixture | None = None,
    ) -> Tensor:
        if self.vocabulary.head == "classification":
            scores, targets = logits[:, 0].float(), batch.targets[:, 0]  # (B, C), (B,)
            if mixture:
                targets = mixture.targets(targets, scores.shape[1])  # (B, C)
            return F.cross_entropy(scores, targets, label_smoothing=label_smoothing)
        return F.ctc_loss(
            logits.float().log_softmax(dim=-1).transpose(0, 1),  # (T, B, C)
            batch.targets,
            lengths,
            batch.target_lengths,
            zero_infinity=True,
        )

    def _error_rate(self, logits: Tensor, lengths: Tensor, batch: Batch) -> float:
        """Return the token errors of the greedy answers per clip; a wrong class is one error."""
        best = logits.argmax(dim=-1)  # (B, T)
        if self.vocabulary.head == "classification":
            return float((best[:, 0] != batch.targets[:, 0]).float().mean())
        answers = [greedy_path(row[:n].tolist()) for row, n in zip(best, lengths, strict=True)]
        references = [
            row[:n].tolist() for row, n in zip(batch.targets, batch.target_lengths, strict=True)
        ]
        errors = word_error_rate(_spelled(references), _spelled(answers)).errors
        return errors / len(batch.indices)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Log the norm of the whole gradient."""
        gradients = [weight.grad for weight in self.model.parameters() if weight.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        self.log("train/gradient_norm", norm, on_step=True, on_epoch=False)


def _spelled(sequences: Sequence[Sequence[int]]) -> list[str]:
    return [" ".join(map(str, sequence)) for sequence in sequences]


def mixed_seed(*numbers: int) -> int:
    """Return a seed that changes whenever one of the numbers changes."""
    text = ",".join(map(str, numbers))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
