"""Find clips whose label is doubtful: ``python -m speech_rnn.audit +recipe=NAME``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from speech_rnn.config.door import hydra_door
from speech_rnn.errors import ConfigurationError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from speech_rnn.data.corpus import Source


def run(cfg: DictConfig) -> None:
    """Audit as `cfg` says, print how many labels are disputed, and write tables and page."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import instantiate
    from omegaconf import DictConfig, OmegaConf

    from speech_rnn.config.build import kept_config, run_of, train_on
    from speech_rnn.engines.loading import RUN_FILE
    from speech_rnn.evaluation.label_errors import audit
    from speech_rnn.reporting.audit_page import write_page
    from speech_rnn.reporting.terminal import print_audit
    from speech_rnn.training import claimed

    if cfg.vocabulary != "classes" or "language_model" in cfg:
        raise ConfigurationError(
            "an audit needs a recipe with one answer for each clip: vocabulary=classes"
        )
    recipe = kept_config(cfg, "page_clips")
    of_fold = OmegaConf.merge(cfg, {"exclude": None})  # the audit leaves them out itself
    assert isinstance(of_fold, DictConfig)

    def train(source: Source, folder: Path) -> Path:
        finished = folder / RUN_FILE
        config = f"{recipe}# corpus {source.prepare().fingerprint()}\n"
        if finished.exists():
            with claimed(folder, config, cfg.resume):
                pass  # one of other settings, or other clips, is refused
        else:
            train_on(source, of_fold, run_of(of_fold, folder, config))
        return finished

    folder = Path(HydraConfig.get().runtime.output_dir)
    with claimed(folder, recipe, cfg.resume, "fold-0"):
        found = audit(
            instantiate(cfg.data),
            train,
            folder,
            folds=cfg.folds,
            planted_share=cfg.planted_share,
            exclude=cfg.exclude,
            seed=cfg.seed,
            device=cfg.device,
        )
    found.write(folder)
    write_page(found.doubts[: cfg.page_clips], folder / "audit.html")
    print_audit(found)
    print(f"listen: {folder / 'audit.html'}")
    if not found.is_trial:
        print(f"exclude: {folder / 'disputed.csv'}")
    if found.failures:
        sys.exit(1)


main = hydra_door("audit", run)


if __name__ == "__main__":
    main()
