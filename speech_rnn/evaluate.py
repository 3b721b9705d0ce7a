"""Score a Recognizer: ``python -m speech_rnn.evaluate model=FILE +recipe=NAME [overrides]``."""

from __future__ import annotations

import re
import sys

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from speech_rnn.config import hydra_door


def run(cfg: DictConfig) -> None:
    """Recognise a split, print the figures and write them, and every hypothesis, as JSON."""
    from speech_rnn.evaluation import evaluate
    from speech_rnn.recognizer import Recognizer
    from speech_rnn.terminal import print_evaluation

    recognizer = Recognizer.load(cfg.recognizer, device=cfg.device)
    recognizer.decoder = instantiate(cfg.decoding)
    corpus = instantiate(cfg.data).prepare()
    evaluation = evaluate(recognizer, corpus.split(cfg.split), batch_size=cfg.trainer.batch_size)
    folder = HydraConfig.get().runtime.output_dir
    evaluation.write(folder)
    print_evaluation(evaluation)
    print(f"evaluation: {folder}")
    if evaluation.failures:
        sys.exit(1)


def main() -> None:
    """Score a Recognizer.

    ``model`` is a group of configurations, so Hydra would look ``model=FILE`` up there.
    """
    sys.argv[1:] = [re.sub(r"^model=", "recognizer=", argument) for argument in sys.argv[1:]]
    hydra_door("evaluate", run)()


if __name__ == "__main__":
    main()
