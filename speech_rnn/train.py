"""Train a recipe: ``python -m speech_rnn.train +recipe=NAME [overrides]``."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from speech_rnn.config.door import hydra_door

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from speech_rnn.training import TrainingResult


def run(cfg: DictConfig) -> float | None:
    """Train as `cfg` says, print the evaluation and where the Recognizer is.

    Returns the validation loss of a recogniser, which a sweeper of Hydra's may minimise.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from hydra.utils import instantiate

    from speech_rnn.config.build import kept_config, run_of, train_on
    from speech_rnn.config.starting import start_processes
    from speech_rnn.reporting.terminal import print_language_model
    from speech_rnn.training.processes import joined

    is_swept = HydraConfig.get().mode == RunMode.MULTIRUN
    if start_processes(cfg):
        return None
    training = run_of(cfg, HydraConfig.get().runtime.output_dir, kept_config(cfg))
    if "language_model" in cfg:
        train_language_model = instantiate(cfg.language_model, _partial_=True)
        print_language_model(train_language_model(run=training, unit=cfg.vocabulary))
        return None
    command = f"python -m speech_rnn.train {shlex.join(HydraConfig.get().overrides.task)}"
    with joined(training) as training:
        result = train_on(instantiate(cfg.data), cfg, training, command=command)
        return _reported(result, cfg, is_swept)
    return None  # a process that has helped


def _reported(result: TrainingResult, cfg: DictConfig, is_swept: bool) -> float:
    """Print and report a result, and return its validation loss."""
    from speech_rnn.config.callbacks import report_on
    from speech_rnn.reporting.terminal import print_evaluation

    if result.evaluation:
        print_evaluation(result.evaluation)
    if cfg.report:
        report_on(result.file.parent, result.recognizer)
    print(f"recognizer: {result.file}")
    if result.evaluation and result.evaluation.failures and not is_swept:
        sys.exit(1)  # of a sweep, the other runs come first
    return float(result.metrics["validation"]["loss"])


main = hydra_door("train", run)


if __name__ == "__main__":
    main()
