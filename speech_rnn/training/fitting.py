"""Lightning fits a module: checkpoints, averaged weights, logs and resumed runs."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    LearningRateMonitor,
    ModelCheckpoint,
    RichProgressBar,
)
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from torch.utils.data import DataLoader

from speech_rnn.engines.device import choose_device
from speech_rnn.errors import ConfigurationError, ModelError
from speech_rnn.training.module import SeededModule, SpeechModule
from speech_rnn.training.settings import Run

log = logging.getLogger(__name__)
# Lightning's advice is for its own users: a recipe has already decided.
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", module="pytorch_lightning")


def claim(output_dir: Path, config: str, resume: bool, work: str = "checkpoints") -> Path:
    """Refuse a folder that holds another run; keep the configuration in it, and return it.

    `work` is the folder in `output_dir` that holds files as soon as a run has begun.
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


def fit(
    module: SeededModule, training: DataLoader[Any], validation: DataLoader[Any], run: Run
) -> int:
    """Train a module, give it the weights that `run.trainer` selects, and return its epochs.

    ``checkpoints/`` and ``logs/`` are written into `run.output_dir`.

    Raises
    ------
    KeyboardInterrupt
        if it was interrupted: Lightning alone would return as if the training were complete.
    """
    checkpoints = run.output_dir / "checkpoints"
    last = checkpoints / "last.ckpt"
    lightning = lightning_trainer(run)
    lightning.fit(
        module,
        training,
        validation,
        ckpt_path=last if run.resume and last.exists() else None,
        weights_only=True,
    )
    if lightning.interrupted:
        raise KeyboardInterrupt
    _restore(module, checkpoints / f"{run.trainer.select}.ckpt")
    return lightning.current_epoch


def validated(module: SpeechModule, clips: DataLoader[Any], run: Run) -> dict[str, float]:
    """Return ``loss`` and ``error_rate`` of a module, as it is, on held-out clips."""
    lightning = pl.Trainer(
        **_common(run), logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    (found,) = lightning.validate(module, clips, verbose=False)
    return {name.removeprefix("validation/"): value for name, value in found.items()}


def lightning_trainer(run: Run) -> pl.Trainer:
    """Return Lightning's trainer with the callbacks and loggers that `run` asks for."""
    trainer, checkpoints, logs = (
        run.trainer,
        run.output_dir / "checkpoints",
        run.output_dir / "logs",
    )
    show_progress = trainer.progress and sys.stderr.isatty()
    # Lightning's own save_last copies the best epoch, not the last.
    callbacks: list[Callback] = [
        ModelCheckpoint(checkpoints, "best", "validation/loss", enable_version_counter=False),
        ModelCheckpoint(checkpoints, "last", enable_version_counter=False),
        LearningRateMonitor("step"),
        RichProgressBar() if show_progress else _EpochLog(),
    ]
    if trainer.patience:
        callbacks.append(EarlyStopping("validation/loss", patience=trainer.patience))
    if trainer.ema_decay:
        callbacks.append(EMAWeightAveraging(decay=trainer.ema_decay))
    return pl.Trainer(
        **_common(run),
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


def _common(run: Run) -> dict[str, Any]:
    """Return what training and validation share, a device named as Lightning does."""
    device = choose_device(run.device)
    return {
        "accelerator": "gpu" if device.type == "cuda" else device.type,
        "devices": 1 if device.index is None else [device.index],
        "precision": run.trainer.precision,
        "limit_val_batches": run.trainer.limit_batches,
        "enable_model_summary": False,
    }


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


def _restore(module: SeededModule, path: Path) -> None:
    """Put the weights of a checkpoint into the model."""
    checkpoint = torch.load(path, map_location=module.device, weights_only=True)
    try:
        module.load_state_dict(checkpoint["state_dict"])
    except (KeyError, RuntimeError) as error:
        raise ModelError(f"checkpoint={str(path)!r} does not fit the model: {error}") from error
