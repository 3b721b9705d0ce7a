"""Fit a module with Lightning: checkpoints, averaged weights, logs and resumed runs."""

from __future__ import annotations

import logging
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    LearningRateMonitor,
    ModelCheckpoint,
    RichProgressBar,
)
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from speech_rnn.data.batching import Loader
from speech_rnn.engines.device import choose_device
from speech_rnn.errors import DataError, ModelError, Stopped
from speech_rnn.storage.folders import shown
from speech_rnn.training.checkpoints import BEST, CHECKPOINTS, LAST, read_checkpoint
from speech_rnn.training.epochs import Epoch
from speech_rnn.training.module import SeededModule, SpeechModule
from speech_rnn.training.settings import Run
from speech_rnn.training.whole_checkpoints import WholeCheckpoints

log = logging.getLogger(__name__)
# Lightning's tips are for people who write their own training; recipes have decided already.
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", module="pytorch_lightning")


def fit(module: SeededModule, training: Loader, validation: Loader, run: Run) -> int:
    """Train a module, load the weights that `run.trainer` selects, and return the last epoch.

    ``checkpoints/`` and ``logs/`` are written into `run.output_dir`.

    Raises
    ------
    DataError
        if the disk has no room for the checkpoints.
    ModelError
        if the checkpoint to resume from is damaged.
    Stopped
        if the training is interrupted.
    """
    checkpoints = run.output_dir / CHECKPOINTS
    last = checkpoints / LAST
    is_resumed = run.resume and last.exists()
    if is_resumed:
        _go_to(training, read_checkpoint(last)["global_step"], run.trainer.limit_batches)
    elif run.resume:
        log.info("resume=true, but there is no %s: the training starts from the beginning", last)
    _check_room(module, run.output_dir)
    lightning = lightning_trainer(run)
    with _raising_interruptions(lightning):
        lightning.fit(
            module,
            training,
            validation,
            ckpt_path=last if is_resumed else None,
            weights_only=True,
        )
    _restore(module, checkpoints / f"{run.trainer.select}.ckpt")
    return lightning.current_epoch


def _go_to(training: Loader, step: int, limit_batches: int | None) -> None:
    """Let the next batch be that of a step; Lightning would begin the epoch again."""
    n_batches = len(training) if limit_batches is None else min(len(training), limit_batches)
    training.order.begin(*divmod(step, n_batches))


def validated(module: SpeechModule, clips: Loader, run: Run) -> dict[str, float]:
    """Return ``loss`` and ``error_rate`` of a module with its current weights on held-out clips."""
    lightning = pl.Trainer(
        **_common(run), logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    with _raising_interruptions(lightning):
        (found,) = lightning.validate(module, clips, verbose=False)
    return {name.removeprefix("validation/"): value for name, value in found.items()}


@contextmanager
def _raising_interruptions(lightning: pl.Trainer) -> Iterator[None]:
    """Raise `Stopped` on an interruption, where Lightning would exit with a code of its own."""
    try:
        yield
    except SystemExit as error:
        signum = signal.SIGTERM if lightning.received_sigterm else signal.SIGINT
        raise Stopped(signum) from error


def _check_room(module: SeededModule, output_dir: Path) -> None:
    """Raise unless the disk has room for three checkpoints: best, last, and the one in writing."""
    checkpoints = output_dir / CHECKPOINTS
    n_missing = 1 + sum(not (checkpoints / name).exists() for name in (BEST, LAST))
    weights = [*module.parameters()]
    # AdamW keeps two values for each trained weight.
    size = sum(w.nbytes * (3 if w.requires_grad else 1) for w in weights)
    needed, free = n_missing * size, shutil.disk_usage(output_dir).free
    if needed > free:
        raise DataError(
            f"output_dir={shown(output_dir)!r} has room for {free / 1e6:.1f} MB and the "
            f"checkpoints need {needed / 1e6:.1f} MB; make room, or choose another output_dir"
        )


def lightning_trainer(run: Run) -> pl.Trainer:
    """Return Lightning's trainer with the callbacks and loggers that `run` requires."""
    trainer, checkpoints, logs = (
        run.trainer,
        run.output_dir / CHECKPOINTS,
        run.output_dir / "logs",
    )
    show_progress = trainer.progress and sys.stderr.isatty()
    # Lightning's own save_last would copy the best epoch, not the last.
    callbacks: list[Callback] = [
        ModelCheckpoint(checkpoints, "best", "validation/loss", enable_version_counter=False),
        ModelCheckpoint(checkpoints, "last", enable_version_counter=False),
        _within_epochs(checkpoints, trainer.checkpoint_minutes),
        LearningRateMonitor("step"),
        RichProgressBar() if show_progress else _EpochLog(),
    ]
    if trainer.patience:
        callbacks.append(EarlyStopping("validation/loss", patience=trainer.patience))
    if trainer.ema_decay:
        callbacks.append(EMAWeightAveraging(decay=trainer.ema_decay))
    return pl.Trainer(
        **_common(run),
        plugins=[WholeCheckpoints()],
        max_epochs=trainer.max_epochs,
        gradient_clip_val=trainer.gradient_clip,
        limit_train_batches=trainer.limit_batches,
        callbacks=callbacks,
        logger=[CSVLogger(logs, "csv"), TensorBoardLogger(logs, "tensorboard")],
        default_root_dir=run.output_dir,
        use_distributed_sampler=False,
        enable_progress_bar=show_progress,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
    )


def _within_epochs(checkpoints: Path, minutes: float) -> ModelCheckpoint:
    """Return the callback that writes the last checkpoint also within an epoch."""
    interval = timedelta(minutes=minutes)
    return ModelCheckpoint(
        checkpoints, "last", train_time_interval=interval, enable_version_counter=False
    )


def _common(run: Run) -> dict[str, Any]:
    """Return the arguments that training and validation share, with Lightning's device name."""
    device = choose_device(run.device)
    return {
        "accelerator": "gpu" if device.type == "cuda" else device.type,
        "devices": 1 if device.index is None else [device.index],
        "precision": run.trainer.precision,
        "limit_val_batches": run.trainer.limit_batches,
        "enable_model_summary": False,
    }


class _EpochLog(Callback):
    """Logs one line per epoch if there is no terminal for a progress bar."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        figures = {
            name.replace("/", " ").replace("_", " "): float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith(("train/loss", "validation/"))
        }
        assert trainer.max_epochs is not None
        log.info("%s", Epoch(trainer.current_epoch + 1, trainer.max_epochs, figures).line())


def _restore(module: SeededModule, path: Path) -> None:
    """Load the weights of a checkpoint into the model."""
    checkpoint = read_checkpoint(path, module.device)
    try:
        module.load_state_dict(checkpoint["state_dict"])
    except (KeyError, RuntimeError) as error:
        raise ModelError(f"checkpoint={str(path)!r} does not fit the model: {error}") from error
