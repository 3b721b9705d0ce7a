"""A module is fitted by Lightning: checkpoints, averages, logs, and what is resumed."""

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

from speech_rnn.errors import ConfigurationError, ModelError
from speech_rnn.training.module import SeededModule, SpeechModule
from speech_rnn.training.settings import Trainer

__all__ = ["claim", "fit", "lightning_trainer", "validated"]

log = logging.getLogger(__name__)
# Lightning's advice is for its own users: a recipe has already decided.
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", module="pytorch_lightning")


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
