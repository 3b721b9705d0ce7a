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
from lightning_fabric.plugins.environments import TorchElasticEnvironment
from pytorch_lightning.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    LearningRateMonitor,
    ModelCheckpoint,
    RichProgressBar,
)
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from pytorch_lightning.strategies import DDPStrategy

from speech_rnn.data.batching import Loader
from speech_rnn.engines.device import choose_device
from speech_rnn.errors import DataError, ModelError, Stopped
from speech_rnn.storage.folders import shown
from speech_rnn.tensors.processes import from_first, neighbours, process_of
from speech_rnn.training.checkpoints import BEST, CHECKPOINTS, LAST, read_checkpoint
from speech_rnn.training.epochs import Epoch
from speech_rnn.training.module import SeededModule, SpeechModule
from speech_rnn.training.processes import finish
from speech_rnn.training.settings import Run
from speech_rnn.training.whole_checkpoints import WholeCheckpoints

log = logging.getLogger(__name__)
# Lightning's tips are for people who write their own training; recipes have decided already.
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", module="pytorch_lightning")


def fit(module: SeededModule, training: Loader, validation: Loader, run: Run) -> int:
    """Train a module, load the weights that `run.trainer` selects, and return the last epoch.

    ``checkpoints/`` and ``logs/`` are written into `run.output_dir`. Processes that train together
    leave at the end, and only the first returns; see `processes.finish`.

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
    step = from_first(lambda: _step_of(last) if run.resume else None)
    if step is not None:
        _go_to(training, step, run.trainer.limit_batches)
    elif run.resume:
        log.info("resume=true, but there is no %s: the training starts from the beginning", last)
    from_first(lambda: _check_room(module, run.output_dir))
    lightning = lightning_trainer(run)
    with _raising_interruptions(lightning):
        lightning.fit(
            module,
            training,
            validation,
            ckpt_path=None if step is None else last,
            weights_only=True,
        )
    epochs = lightning.current_epoch
    finish()
    _restore(module, checkpoints / f"{run.trainer.select}.ckpt")
    return epochs


def _step_of(last: Path) -> int | None:
    """Return the number of steps before a checkpoint; None without one."""
    return read_checkpoint(last)["global_step"] if last.exists() else None


def _go_to(training: Loader, step: int, limit_batches: int | None) -> None:
    """Let the next batch be that of a step; Lightning would begin the epoch again."""
    n_batches = len(training.order)
    if limit_batches is not None:
        n_batches = min(n_batches, limit_batches)
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
        raise Stopped(getattr(error.__context__, "signum", signum)) from error


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
        _WithinEpochs(checkpoints, trainer.checkpoint_minutes),
        LearningRateMonitor("step"),
        RichProgressBar() if show_progress else _EpochLog(),
    ]
    if process_of()[1] > 1:
        callbacks.append(_OwnSignals())
    if trainer.patience:
        callbacks.append(EarlyStopping("validation/loss", patience=trainer.patience))
    if trainer.ema_decay:
        callbacks.append(EMAWeightAveraging(decay=trainer.ema_decay))
    return pl.Trainer(
        **_common(run),
        plugins=[WholeCheckpoints()],
        max_epochs=trainer.max_epochs,
        gradient_clip_val=trainer.gradient_clip,
        limit_train_batches=trainer.limit_batches and trainer.limit_batches * trainer.accumulate,
        accumulate_grad_batches=trainer.accumulate,
        callbacks=callbacks,
        logger=[CSVLogger(logs, "csv"), TensorBoardLogger(logs, "tensorboard")],
        default_root_dir=run.output_dir,
        use_distributed_sampler=False,
        enable_progress_bar=show_progress,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
    )


class _WithinEpochs(ModelCheckpoint):
    """Writes the last checkpoint also within an epoch, after a whole batch."""

    def __init__(self, checkpoints: Path, minutes: float) -> None:
        interval = timedelta(minutes=minutes)
        super().__init__(
            checkpoints, "last", train_time_interval=interval, enable_version_counter=False
        )

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *done: Any
    ) -> None:
        *_, batch_idx = done
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            super().on_train_batch_end(trainer, pl_module, *done)


class _OwnSignals(Callback):
    """Keeps the handler of SIGTERM: Lightning's own sends to processes that may not receive."""

    def __init__(self) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        signal.signal(signal.SIGTERM, self._handler)


def _common(run: Run) -> dict[str, Any]:
    """Return the arguments that training and validation share, with Lightning's device name."""
    device, (_, processes) = choose_device(run.device), process_of()
    together: dict[str, Any] = {"devices": 1 if device.index is None else [device.index]}
    if processes > 1:
        # Batch normalisation has the same statistics everywhere: no buffer needs to be sent.
        strategy = DDPStrategy(
            cluster_environment=TorchElasticEnvironment(), broadcast_buffers=False
        )
        n_own = neighbours()
        together = {"strategy": strategy, "devices": n_own, "num_nodes": processes // n_own}
    return {
        "accelerator": "gpu" if device.type == "cuda" else device.type,
        **together,
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
