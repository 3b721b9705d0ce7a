"""Train a recipe: ``python -m speech_rnn.train +recipe=NAME [overrides]``."""

from __future__ import annotations

import shlex

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from speech_rnn.config import hydra_door
from speech_rnn.parts import report_on, train_on

OF_THIS_RUN = ("resume", "device", "output_dir")
"""Keys that may differ when a run is resumed."""


def run(cfg: DictConfig) -> None:
    """Train as `cfg` says, print the evaluation and where the Recognizer is."""
    from speech_rnn.terminal import print_evaluation, print_language_model

    recipe = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key not in OF_THIS_RUN])
    if cfg.language_model:
        train_language_model = instantiate(cfg.language_model, _partial_=True)
        models = train_language_model(
            optim=instantiate(cfg.optim),
            trainer=instantiate(cfg.trainer),
            unit=cfg.vocabulary,
            seed=cfg.seed,
            output_dir=HydraConfig.get().runtime.output_dir,
            resume=cfg.resume,
            config=OmegaConf.to_yaml(recipe),
        )
        return print_language_model(models)
    result = train_on(
        instantiate(cfg.data),
        cfg,
        HydraConfig.get().runtime.output_dir,
        config=OmegaConf.to_yaml(recipe),
        command=f"python -m speech_rnn.train {shlex.join(HydraConfig.get().overrides.task)}",
    )
    if result.evaluation:
        print_evaluation(result.evaluation)
    if cfg.report:
        report_on(result.recognizer.parent)
    print(f"recognizer: {result.recognizer}")


main = hydra_door("train", run)

if __name__ == "__main__":
    main()
