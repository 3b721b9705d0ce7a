"""Search the settings of a recipe: ``python -m speech_rnn.search +recipe=NAME``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from speech_rnn.config.door import hydra_door
from speech_rnn.errors import ConfigurationError

if TYPE_CHECKING:
    from omegaconf import DictConfig

OBJECTIVES = ("loss", "error_rate")


def run(cfg: DictConfig) -> None:
    """Search as `cfg` says, print the trials, and the line that trains the best one."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    from speech_rnn.config.build import kept_config, run_of, train_on
    from speech_rnn.config.ranges import (
        OF_THIS_PROCESS,
        SEARCH_KEYS,
        defaults_of,
        space_of,
        train_command,
        trial_config,
    )
    from speech_rnn.reporting.terminal import print_search
    from speech_rnn.training.claiming import claimed, shared
    from speech_rnn.training.search import Values, search
    from speech_rnn.training.storages import StudyPlace

    if "language_model" in cfg:
        raise ConfigurationError("a search needs a recipe that trains a recogniser")
    if cfg.objective not in OBJECTIVES:
        raise ConfigurationError(f"objective={cfg.objective!r} must be one of {OBJECTIVES}")

    def objective(values: Values, folder: Path) -> float:
        of_trial = trial_config(values)
        OmegaConf.update(of_trial, "resume", True)  # an interrupted trial continues
        config = kept_config(of_trial, *SEARCH_KEYS)
        training = run_of(of_trial, folder, config)
        source = instantiate(of_trial.data)
        result = train_on(source, of_trial, training, command=train_command(values))
        return float(result.metrics["validation"][cfg.objective])

    folder = Path(HydraConfig.get().runtime.output_dir)
    space, config = space_of(cfg), kept_config(cfg, *OF_THIS_PROCESS)
    if cfg.storage is None:
        place, using = None, claimed(folder, config, cfg.resume, "trials")
    else:
        place, using = StudyPlace(str(cfg.storage), str(cfg.study), config), shared(folder)
    with using:
        found = search(
            objective,
            space,
            folder,
            trials=cfg.trials,
            first=defaults_of(cfg, list(space)),
            name=cfg.objective,
            seed=cfg.seed,
            place=place,
        )
    print_search(found)
    print(f"search: {folder / 'search.json'}")
    if found.best.objective is not None:
        print(f"best: {train_command(found.best.values)}")


main = hydra_door("search", run)


if __name__ == "__main__":
    main()
