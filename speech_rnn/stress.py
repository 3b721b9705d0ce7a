"""Score a Recognizer under stress: ``python -m speech_rnn.stress model=FILE +recipe=NAME``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from speech_rnn.config.door import hydra_door
from speech_rnn.storage.atomic import write_json

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run(cfg: DictConfig) -> None:
    """Recognise a split under every condition, print the figures and write them as JSON."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import instantiate

    from speech_rnn.config.build import split_of
    from speech_rnn.evaluation.foreign import check_texts
    from speech_rnn.recognizer import Recognizer
    from speech_rnn.reporting.terminal import print_stress

    recognizer = Recognizer.load(cfg.model_file, device=cfg.device)
    recognizer.decoder = instantiate(cfg.decoding)
    recognizer.decoder.check(recognizer.vocabulary)
    rows = split_of(cfg)
    check_texts(rows, recognizer.vocabulary)
    found = instantiate(cfg.conditions).sweep(recognizer, rows, batch_size=cfg.trainer.batch_size)
    folder = Path(HydraConfig.get().runtime.output_dir)
    file = write_json(folder / "stress.json", found.to_dict())
    print_stress(found)
    print(f"stress: {file}")


main = hydra_door("stress", run)


if __name__ == "__main__":
    main()
