"""Start the processes that a configuration of a training names."""

from __future__ import annotations

import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from speech_rnn.config.app import keys_of
from speech_rnn.errors import ConfigurationError
from speech_rnn.training.launching import is_one_of_several, launch


def start_processes(cfg: DictConfig) -> bool:
    """Run a training in several processes, if that is asked for; return whether it was done.

    Raises
    ------
    ConfigurationError
        if it trains a language model, or is one of a multirun.
    SpeechRnnError
        if a process was killed.
    """
    devices, machines = (cfg.trainer.get(name) or 1 for name in ("devices", "num_nodes"))
    if devices * machines == 1 and not is_one_of_several():
        return False
    hydra = HydraConfig.get()
    if hydra.mode == RunMode.MULTIRUN:
        raise ConfigurationError(
            "-m starts one training after the other, each in one process; start those with "
            "several processes one by one"
        )
    if "language_model" in cfg:
        raise ConfigurationError("a language model trains in one process; start only one")
    if is_one_of_several():
        return False
    output_dir = Path(hydra.runtime.output_dir)
    arguments = sys.argv[1:]
    if "output_dir" not in keys_of(hydra.overrides.task):  # its name has the time
        arguments.append(f"output_dir={output_dir}")
    command = [sys.executable, "-m", "speech_rnn.train", *arguments]
    launch(command, devices, machines, output_dir)
    return True
