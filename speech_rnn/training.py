"""A corpus becomes a Recognizer: the Lightning classes, the schedule, the run and its folder."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    LearningRateMonitor,
    ModelCheckpoint,
    RichProgressBar,
)
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

import speech_rnn
from speech_rnn.audio import load_audio
from speech_rnn.augment import Augment
from speech_rnn.calibration import calibrate
from speech_rnn.data.batching import AudioCache, Batch, Clips, batches
from speech_rnn.data.connected import Connected, ConnectedClips
from speech_rnn.data.exclusion import exclude as excluded
from speech_rnn.data.manifest import SPLITS, Corpus, Source
from speech_rnn.data.negatives import Negatives
from speech_rnn.decoding.alignment import BLANK_ID, steps_needed
from speech_rnn.decoding.confidence import Calibration
from speech_rnn.decoding.greedy import greedy_path
from speech_rnn.device import choose_device
from speech_rnn.errors import ConfigurationError, DataError, ModelError
from speech_rnn.evaluation import Evaluation, evaluate
from speech_rnn.features import LogMel
from speech_rnn.metrics import word_error_rate
from speech_rnn.model import AcousticModel
from speech_rnn.recognizer import Recognizer
from speech_rnn.vocabulary import Vocabulary, head_of

__all__ = [
    "AdamWCosine",
    "SeededModule",
    "Trainer",
    "TrainingResult",
    "claim",
    "current_commit",
    "lightning_trainer",
    "mixed_seed",
    "train",
]

log = logging.getLogger(__name__)
# Lightning's advice is for its own users: a recipe has already decided.
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", module="pytorch_lightning")

MOST_NAMED = 10
"""Files that a message names."""

ModelFactory = Callable[..., AcousticModel]


@dataclass(frozen=True)
class AdamWCosine:
    """AdamW whose learning rate rises linearly and falls along a cosine (Loshchilov & Hutter).

    Parameters
    ----------
    learning_rate : at the end of the warm-up.
    final_learning_rate : at the end of the training.
    warmup_fraction : of all steps.
    weight_decay : decoupled; biases and normalisation have none.
    """

    learning_rate: float = 2e-3
    final_learning_rate: float = 1e-5
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    betas: Sequence[float] = (0.9, 0.98)

    def optimizer(self, model: nn.Module) -> Optimizer:
        """Return AdamW over the parameters of `model`."""
        matrices = [weight for weight in model.parameters() if weight.ndim > 1]
        vectors = [weight for weight in model.parameters() if weight.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": self.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
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
    frame_weight : of the cross-entropy between each step and the word that is spoken there, a
        word's steps summed, which joins the CTC loss where the times of words are known, and falls
        to 0 towards the end. CTC alone is content with a word at any one step of it, and for long
        with none.
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
    frame_weight: float = 0.0
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


@dataclass(frozen=True)
class TrainingResult:
    """Where the Recognizer is, and how it did on the test split (None where it was not asked)."""

    recognizer: Path
    evaluation: Evaluation | None
    metrics: dict[str, Any]


class SeededModule(pl.LightningModule):
    """What every training shares: epochs counted by steps, and AdamW along its schedule."""

    def __init__(self, model: nn.Module, optim: AdamWCosine, seed: int) -> None:
        super().__init__()
        self.model, self.optim, self.seed = model, optim, seed

    def on_train_epoch_start(self) -> None:
        """Choose the order of the epoch's batches."""
        # Lightning counts an epoch twice where a run resumes (measured: tests/test_training.py).
        loader: Any = self.trainer.train_dataloader
        epoch = self.global_step // int(self.trainer.num_training_batches)
        loader.batch_sampler.set_epoch(epoch)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the optimizer and its schedule, a step at a time."""
        optimizer = self.optim.optimizer(self.model)
        n_steps = int(self.trainer.estimated_stepping_batches)
        schedule = self.optim.schedule(optimizer, n_steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class SpeechModule(SeededModule):
    """One step of training and validation.

    Everything random in a step comes from the seed and the step's number, so that a run which is
    resumed draws what an unbroken one draws.
    """

    model: AcousticModel

    def __init__(
        self,
        features: LogMel,
        model: AcousticModel,
        vocabulary: Vocabulary,
        augment: Augment,
        optim: AdamWCosine,
        *,
        label_smoothing: float,
        frame_weight: float,
        seed: int,
    ) -> None:
        super().__init__(model, optim, seed)
        self.features = features
        self.augment = augment
        self.vocabulary = vocabulary
        self.label_smoothing = label_smoothing
        self.frame_weight = frame_weight

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        return batch.to(device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        torch.manual_seed(mixed_seed(self.seed, self.global_step))  # dropout
        generator = torch.Generator(self.device)
        generator.manual_seed(mixed_seed(self.seed, self.global_step, 1))
        with torch.no_grad():
            waveform, lengths, spans = self.augment.waveform(
                batch.waveform, batch.lengths, generator, batch.spans
            )
            frames, lengths = self.features(waveform, lengths)
            frames = self.augment.frames(frames, lengths, generator)
        logits, lengths = self.model(frames, lengths)
        loss = self._loss(logits, lengths, batch, self.label_smoothing)
        if spans is not None and self.frame_weight:
            step = self.features.hop_length * self.model.subsampling
            places = step_targets(spans, batch.targets, lengths, step)
            missed = F.cross_entropy(logits.transpose(1, 2), places, reduction="sum")
            to_go = 1 - self.global_step / int(self.trainer.estimated_stepping_batches)
            words = batch.target_lengths.sum().clamp(min=1)
            loss = loss + to_go * self.frame_weight * missed / words
        self.log("train/loss", loss, batch_size=len(batch.indices), on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        frames, lengths = self.features(batch.waveform, batch.lengths)
        logits, lengths = self.model(frames, lengths)
        n_clips = len(batch.indices)
        loss = self._loss(logits, lengths, batch, 0.0)
        self.log("validation/loss", loss, batch_size=n_clips, prog_bar=True)
        self.log(
            "validation/error_rate",
            self._error_rate(logits, lengths, batch),
            batch_size=n_clips,
            prog_bar=True,
        )

    def _loss(
        self, logits: Tensor, lengths: Tensor, batch: Batch, label_smoothing: float
    ) -> Tensor:
        if self.vocabulary.head == "classification":
            return F.cross_entropy(
                logits[:, 0].float(), batch.targets[:, 0], label_smoothing=label_smoothing
            )
        return F.ctc_loss(
            logits.float().log_softmax(dim=-1).transpose(0, 1),  # (T, B, C)
            batch.targets,
            lengths,
            batch.target_lengths,
            zero_infinity=True,
        )

    def _error_rate(self, logits: Tensor, lengths: Tensor, batch: Batch) -> float:
        """Token errors of the greedy answer, per clip: a class that is wrong is one."""
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
        gradients = [weight.grad for weight in self.model.parameters() if weight.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        self.log("train/gradient_norm", norm, on_step=True, on_epoch=False)


def train(
    source: Source,
    features: LogMel,
    model: ModelFactory,
    *,
    extra: Source | None = None,
    exclude: str | Path | None = None,
    negatives: Negatives | None = None,
    connected: Connected | None = None,
    augment: Augment | None = None,
    optim: AdamWCosine | None = None,
    trainer: Trainer | None = None,
    unit: str = "classes",
    token_bonus: float = 0.0,
    keep: float | None = None,
    seed: int = 0,
    device: str = "auto",
    output_dir: str | Path = "outputs",
    resume: bool = False,
    test: bool = True,
    config: str = "",
    command: str = "",
) -> TrainingResult:
    """Train on a corpus, evaluate on its test split, and write the Recognizer.

    Parameters
    ----------
    source : of the corpus.
    features : waveform to frames.
    model : called with ``n_features``, ``n_outputs`` and ``head``, returns the untrained model.
    extra : another source of the same words, whose training clips join those of `source`.
    exclude : a CSV file of clips of `source` that are left out, see `data.exclusion.exclude`.
    negatives : what is none of the words; None adds nothing.
    connected : how isolated words are joined into utterances; None leaves them alone.
    unit : ``classes`` for one answer a clip; ``words`` or ``characters`` for CTC.
    token_bonus : what each token of a sequence adds to its score when it is decoded.
    keep : share of the validation clips with a right answer that a classifier's thresholds let
        pass; None: every clip is answered.
    seed : of weights, order, dropout and augmentation.
    device : ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    output_dir : gets ``recognizer.safetensors``, ``metrics.json``, ``evaluation.json``,
        ``hypotheses.jsonl``, ``config.yaml``, ``checkpoints/`` and ``logs/``.
    resume : go on from the last checkpoint in `output_dir`, if there is one.
    test : whether the test split is scored: what is chosen by many trainings is not chosen by it.
    config : the run's configuration as YAML, kept beside the Recognizer.
    command : the line that started it, for ``metrics.json``.

    Raises
    ------
    ConfigurationError
        if `output_dir` holds another run, or the parts do not fit.
    DataError
        if the corpus cannot be had, or its texts do not fit the vocabulary.
    """
    augment = augment or Augment(features.sample_rate)
    optim, trainer = optim or AdamWCosine(), trainer or Trainer()
    chosen = choose_device(device)
    # What does not fit is told before data is fetched or read.
    model(n_features=features.n_features, n_outputs=2, head=head_of(unit))
    output_dir = claim(Path(output_dir), config, resume)
    corpus = source.prepare()
    if exclude is not None:
        corpus = excluded(corpus, exclude)
    if extra is not None:
        joined = (*corpus.utterances, *extra.prepare().split("train"))
        corpus = replace(corpus, utterances=joined)
    if negatives is not None:
        corpus = negatives.join(corpus)
    if connected is not None:
        corpus = connected.join(corpus)
    vocabulary = Vocabulary.of(corpus.words, unit)
    caches = _read(corpus, features.sample_rate)
    augment.set_noise(
        [torch.from_numpy(load_audio(file, features.sample_rate)) for file in corpus.noise]
    )

    clips: Clips = caches["train"]
    if connected is not None:
        clips = ConnectedClips(caches["train"], connected, corpus)
    if features.normalization == "global":
        _set_statistics(features, batches(clips, vocabulary, trainer.batch_size))

    torch.manual_seed(seed)
    acoustic_model = model(
        n_features=features.n_features, n_outputs=len(vocabulary), head=vocabulary.head
    )
    if vocabulary.head == "ctc":
        step = features.hop_length * acoustic_model.subsampling
        _check_room([clips, caches["validation"]], vocabulary, step)
    module = SpeechModule(
        features,
        acoustic_model,
        vocabulary,
        augment,
        optim,
        label_smoothing=trainer.label_smoothing,
        frame_weight=trainer.frame_weight,
        seed=seed,
    )
    held = batches(caches["validation"], vocabulary, trainer.batch_size)
    started = time.monotonic()
    epochs = fit(
        module,
        batches(clips, vocabulary, trainer.batch_size, seed=seed),
        held,
        trainer,
        output_dir,
        device=chosen,
        resume=resume,
    )
    seconds = time.monotonic() - started
    validation = validated(module, held, trainer, chosen)

    provenance = _provenance(source, corpus, caches, seed, config) | {
        "epochs": epochs,
        "n_parameters": acoustic_model.n_parameters,
        "training_seconds": round(seconds, 1),
    }
    recognizer = Recognizer(features, acoustic_model, vocabulary, provenance, token_bonus)
    recognizer.to(chosen)
    if vocabulary.head == "classification":
        recognizer.calibration = calibrated(recognizer, held, keep)
    evaluation = None
    if test and (clips_of_test := corpus.split("test")):
        evaluation = evaluate(recognizer, clips_of_test, batch_size=trainer.batch_size)
        recognizer.provenance["test"] = evaluation.summary()
        evaluation.write(output_dir)
    recognizer.save(output_dir / "recognizer.safetensors")
    test_figures = evaluation.to_dict() if evaluation else None
    metrics = provenance | {"command": command, "validation": validation, "test": test_figures}
    (output_dir / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    return TrainingResult(output_dir / "recognizer.safetensors", evaluation, metrics)


def fit(
    module: SeededModule,
    training: DataLoader[Any],
    validation: DataLoader[Any],
    trainer: Trainer,
    output_dir: Path,
    *,
    device: torch.device,
    resume: bool = False,
) -> int:
    """Train a module, give it the weights that `trainer` selects, and return its epochs.

    Parameters
    ----------
    output_dir : gets ``checkpoints/`` and ``logs/``.
    resume : go on from the last checkpoint there, if there is one.

    Raises
    ------
    KeyboardInterrupt
        if it was interrupted: Lightning alone would go on as though it were done.
    """
    checkpoints = output_dir / "checkpoints"
    last = checkpoints / "last.ckpt"
    lightning = lightning_trainer(trainer, device, output_dir)
    lightning.fit(
        module,
        training,
        validation,
        ckpt_path=last if resume and last.exists() else None,
        weights_only=True,
    )
    if lightning.interrupted:
        raise KeyboardInterrupt
    _restore(module, checkpoints / f"{trainer.select}.ckpt")
    return lightning.current_epoch


def validated(
    module: SpeechModule, clips: DataLoader[Any], trainer: Trainer, device: torch.device
) -> dict[str, float]:
    """Return ``loss`` and ``error_rate`` of a module, as it is, on clips it was not trained on."""
    lightning = pl.Trainer(
        **_place(device),
        precision=trainer.precision,  # type: ignore[arg-type]
        limit_val_batches=trainer.limit_batches,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    (found,) = lightning.validate(module, clips, verbose=False)
    return {name.removeprefix("validation/"): value for name, value in found.items()}


def lightning_trainer(trainer: Trainer, device: torch.device, output_dir: Path) -> pl.Trainer:
    """Put Lightning's pieces together as `trainer` says."""
    checkpoints = output_dir / "checkpoints"
    # Lightning's own save_last copies the best epoch, not the last.
    callbacks: list[Callback] = [
        ModelCheckpoint(checkpoints, "best", "validation/loss", enable_version_counter=False),
        ModelCheckpoint(checkpoints, "last", enable_version_counter=False),
        LearningRateMonitor("step"),
    ]
    if trainer.patience:
        callbacks.append(EarlyStopping("validation/loss", patience=trainer.patience))
    if trainer.ema_decay:
        callbacks.append(EMAWeightAveraging(decay=trainer.ema_decay))
    logs = output_dir / "logs"
    show_progress = trainer.progress and sys.stderr.isatty()
    if show_progress:
        callbacks.append(RichProgressBar())
    else:
        callbacks.append(_EpochLog())
    return pl.Trainer(
        **_place(device),
        precision=trainer.precision,  # type: ignore[arg-type]
        max_epochs=trainer.max_epochs,
        gradient_clip_val=trainer.gradient_clip,
        limit_train_batches=trainer.limit_batches,
        limit_val_batches=trainer.limit_batches,
        callbacks=callbacks,
        logger=[CSVLogger(logs, "csv"), TensorBoardLogger(logs, "tensorboard")],
        default_root_dir=output_dir,
        use_distributed_sampler=False,
        enable_progress_bar=show_progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
    )


def _place(device: torch.device) -> dict[str, Any]:
    """Name a device as Lightning does."""
    return {
        "accelerator": "gpu" if device.type == "cuda" else device.type,
        "devices": 1 if device.index is None else [device.index],
    }


def calibrated(
    recognizer: Recognizer, clips: Iterable[Batch], keep: float | None = None
) -> Calibration:
    """Return the calibration of a classifier on clips that it was not trained on."""
    logits, targets = [], []
    for batch in clips:
        found, _ = recognizer.logits(batch.waveform, batch.lengths)
        logits.append(found[:, 0].float().cpu().numpy())
        targets.append(batch.targets[:, 0].numpy())
    tokens = recognizer.vocabulary.tokens
    return calibrate(np.concatenate(logits), np.concatenate(targets), tokens, keep=keep)


class _EpochLog(Callback):
    """One line an epoch, where there is no terminal for a bar."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        shown = [
            f"{name.replace('/', ' ').replace('_', ' ')} {value:.4f}"
            for name, value in figures.items()
            if name.startswith(("train/loss", "validation/"))
        ]
        log.info(
            "epoch %d of %s: %s", trainer.current_epoch + 1, trainer.max_epochs, ", ".join(shown)
        )


def step_targets(spans: Tensor, targets: Tensor, lengths: Tensor, step: int) -> Tensor:
    """Return the token that is spoken at each step, (B, T), the blank between words.

    A step that touches a word's start or end, and one beyond the lengths, is -100, which a
    cross-entropy leaves out; but where a word is said twice without a gap, the three steps that
    part the two are blank: otherwise they would be one.

    Parameters
    ----------
    spans : (B, L, 2), samples where each target starts and stops; -inf where there is none.
    targets : (B, L), token ids.
    lengths : steps of each clip, (B,).
    step : samples from one step to the next.
    """
    steps = torch.arange(int(lengths.max()), device=spans.device)
    middle = (steps + 0.5) * step  # (T,)
    start, stop = spans[..., 0, None], spans[..., 1, None]  # (B, L, 1)
    inside = (middle >= start) & (middle < stop)  # (B, L, T)
    at_edge = ((middle - start).abs() < step) | ((middle - stop).abs() < step)
    token = (inside * targets[..., None]).amax(dim=1)  # (B, T)
    unknown = at_edge.any(dim=1) | (inside.sum(dim=1) > 1) | (steps >= lengths[:, None])
    token = token.masked_fill(unknown, -100)
    if targets.shape[1] > 1:
        again = (targets[:, 1:] == targets[:, :-1]) & (targets[:, 1:] > 0)  # (B, L - 1)
        border = (spans[:, :-1, 1] + spans[:, 1:, 0]) / 2  # between a word and the next one
        parts = again[..., None] & ((middle - border[..., None]).abs() <= 1.5 * step)
        token = token.masked_fill(parts.any(dim=1), BLANK_ID)
    return token


def _spelled(sequences: Sequence[Sequence[int]]) -> list[str]:
    return [" ".join(map(str, sequence)) for sequence in sequences]


def mixed_seed(*numbers: int) -> int:
    """Derive a seed that differs wherever one of the numbers does."""
    text = ",".join(map(str, numbers))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def claim(output_dir: Path, config: str, resume: bool, work: str = "checkpoints") -> Path:
    """Make sure that a run never overwrites or continues another one.

    `work` is the folder in `output_dir` that holds something as soon as one has begun.
    """
    begun = output_dir / work
    kept = output_dir / "config.yaml"
    if resume and kept.exists() and config and kept.read_text() != config:
        raise ConfigurationError(
            f"resume=true, but the configuration differs from {kept}; give the same overrides, "
            "or start anew in another output_dir"
        )
    if not resume and begun.exists() and any(begun.iterdir()):
        raise ConfigurationError(
            f"output_dir={str(output_dir)!r} holds a run already; add resume=true to go on with "
            "it, or choose another output_dir"
        )
    output_dir.mkdir(parents=True, exist_ok=True)
    kept.write_text(config)
    return output_dir


def _read(corpus: Corpus, sample_rate: int) -> dict[str, AudioCache]:
    """Read what training needs into memory; say which files are left out."""
    caches = {}
    for split in ("train", "validation"):
        rows = corpus.split(split)
        if not rows:
            raise DataError(f"split={split!r} has no clips; give the corpus some")
        caches[split] = AudioCache(rows, sample_rate)
        for failure in caches[split].failures:
            log.warning("left out of %s: %s", split, failure.error)
    sizes = {split: len(corpus.split(split)) for split in SPLITS}
    log.info("%d words; clips: %s", len(corpus.words), sizes)
    return caches


def _check_room(splits: Sequence[Clips], vocabulary: Vocabulary, step: int) -> None:
    """Refuse clips that have fewer steps than CTC needs for their texts."""
    wrong = []
    for clips in splits:
        for row, n_samples in zip(clips.utterances, clips.n_samples.tolist(), strict=True):
            needed = steps_needed(vocabulary.encode(row.text))
            if n_samples // step + 1 < needed:
                wrong.append(
                    f"  {row.audio}: {row.text!r} needs {needed} steps, and it has "
                    f"{n_samples // step + 1}"
                )
    if wrong:
        raise DataError(
            "\n".join(
                [
                    f"{len(wrong)} clips are too short for their texts (a step is {step} samples; "
                    "between two tokens alike comes one more): correct or leave them out, or lower "
                    "model.stack",
                    *wrong[:MOST_NAMED],
                ]
            )
        )


def _set_statistics(features: LogMel, clips: Iterable[Batch]) -> None:
    """Give the features the mean and deviation of the training frames."""
    plain = type(features)(**features.hyperparameters | {"normalization": None, "deltas": 0}).eval()
    count, total, square = 0, torch.zeros(()), torch.zeros(())
    for batch in clips:
        frames, lengths = plain(batch.waveform, batch.lengths)  # zero beyond the lengths
        count += int(lengths.sum())
        total = total + frames.double().sum(dim=(0, 1))
        square = square + frames.double().square().sum(dim=(0, 1))
    mean = total / count
    features.set_statistics(mean.float(), (square / count - mean**2).clamp(min=1e-8).sqrt().float())


def _restore(module: SeededModule, path: Path) -> None:
    """Put the weights of a checkpoint into the model."""
    checkpoint = torch.load(path, map_location=module.device, weights_only=True)
    try:
        module.load_state_dict(checkpoint["state_dict"])
    except (KeyError, RuntimeError) as error:
        raise ModelError(f"checkpoint={str(path)!r} does not fit the model: {error}") from error


def _provenance(
    source: Source, corpus: Corpus, caches: dict[str, AudioCache], seed: int, config: str
) -> dict[str, Any]:
    """Say where a Recognizer came from."""
    return {
        "speech_rnn": speech_rnn.__version__,
        "torch": torch.__version__,
        "commit": current_commit(),
        "seed": seed,
        "source": type(source).__name__,
        "corpus_sha256": corpus.fingerprint(),
        "audio_sha256": {split: cache.sha256() for split, cache in caches.items()},
        "n_clips": {split: len(corpus.split(split)) for split in SPLITS},
        "config": config,
    }


def current_commit() -> str | None:
    """The commit of a source checkout; None for an installed wheel."""
    here = Path(__file__).resolve().parents[1]
    if not (here / ".git").exists():
        return None
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or None
