"""Count misses and false accepts in hours: ``python -m speech_rnn.detect model=FILE +recipe=…``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from speech_rnn.config.door import hydra_door
from speech_rnn.storage.atomic import write_json

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run(cfg: DictConfig) -> None:
    """Measure on hours of sound, print the figures and write them as JSON."""
    from hydra.core.hydra_config import HydraConfig

    from speech_rnn.config.build import scenes_of
    from speech_rnn.detection.det_curve import detect
    from speech_rnn.recognizer import Recognizer
    from speech_rnn.reporting.progress import tracked
    from speech_rnn.reporting.terminal import print_detection

    recognizer = Recognizer.load(cfg.model_file, device=cfg.device)
    found = detect(
        recognizer,
        scenes_of(cfg, recognizer),
        threshold=cfg.threshold,
        tolerance_seconds=cfg.tolerance_seconds,
        block_seconds=cfg.block_seconds,
        watch=tracked,
    )
    folder = Path(HydraConfig.get().runtime.output_dir)
    file = write_json(folder / "detection.json", found.to_dict())
    print_detection(found)
    print(f"detection: {file}")


main = hydra_door("detect", run)


if __name__ == "__main__":
    main()
