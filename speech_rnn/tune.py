"""Thresholds that keep a promise: ``python -m speech_rnn.tune model=FILE +recipe=NAME``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from speech_rnn.config.door import hydra_door
from speech_rnn.storage.atomic import write_json

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run(cfg: DictConfig) -> None:
    """Tune on the validation split, verify on the test split, and write thresholds and figures."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import instantiate

    from speech_rnn.config.build import corpus_of
    from speech_rnn.detection.thresholds import Promise, Verdict, tune
    from speech_rnn.recognizer import Recognizer
    from speech_rnn.reporting.progress import tracked
    from speech_rnn.reporting.terminal import print_tuning

    promise = Promise(cfg.false_accepts_per_hour, cfg.miss_rate, cfg.confidence)
    recognizer = Recognizer.load(cfg.model_file, device=cfg.device)
    recognizer.check_can_save(cfg.output or cfg.model_file)
    streams, corpus = instantiate(cfg.streams).in_room(cfg.background), corpus_of(cfg)
    tuning, test = (
        streams.compose(corpus, split, recognizer.sample_rate) for split in ("validation", "test")
    )
    tuned = tune(
        recognizer,
        tuning,
        test,
        promise,
        tolerance_seconds=cfg.tolerance_seconds,
        watch=tracked,
    )
    folder = Path(HydraConfig.get().runtime.output_dir)
    file = write_json(folder / "tuning.json", tuned.to_dict())
    print_tuning(tuned)
    print(f"tuning: {file}")
    if tuned.verdict is Verdict.BROKEN:
        sys.exit(1)
    recognizer.spotting = tuned.spotting
    recognizer.provenance["tuning"] = tuned.to_dict()
    recognizer.save(cfg.output or cfg.model_file)
    print(f"thresholds: {cfg.output or cfg.model_file}")


main = hydra_door("tune", run)


if __name__ == "__main__":
    main()
