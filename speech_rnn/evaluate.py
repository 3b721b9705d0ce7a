"""Score a recogniser: ``python -m speech_rnn.evaluate model=FILE +recipe=NAME [overrides]``.

Or two texts, line by line: ``python -m speech_rnn.evaluate --references FILE --hypotheses FILE``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speech_rnn.config.door import hydra_door
from speech_rnn.errors import printed_errors
from speech_rnn.reporting.examples import run_alone

if TYPE_CHECKING:
    from omegaconf import DictConfig

EXAMPLES = (
    "speech-rnn evaluate --references spoken.txt --hypotheses recognised.txt",
    "speech-rnn evaluate model=FILE +recipe=digits data.root=DIR",
)


def run(cfg: DictConfig) -> None:
    """Recognise a split, print the figures and write them, and every hypothesis, as JSON."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import instantiate

    from speech_rnn.config.build import split_of
    from speech_rnn.evaluation.batches import Elsewhere, here
    from speech_rnn.evaluation.comparison import compare
    from speech_rnn.evaluation.foreign import check_texts
    from speech_rnn.evaluation.scoring import evaluate
    from speech_rnn.parallel.crews import Spread
    from speech_rnn.recognizer import Recognizer
    from speech_rnn.reporting.terminal import print_comparison, print_evaluation

    files = [cfg.model_file, cfg.versus] if cfg.versus else [cfg.model_file]
    spread = Spread(cfg.jobs, cfg.ray)
    spread.check()
    ways = [here if spread.is_alone else Elsewhere(file, cfg.device, spread) for file in files]
    recognizers = [Recognizer.load(file, device=cfg.device) for file in files]
    for recognizer in recognizers:
        recognizer.decoder = instantiate(cfg.decoding)
        recognizer.decoder.check(recognizer.vocabulary)
    rows = split_of(cfg)
    for recognizer in recognizers:
        check_texts(rows, recognizer.vocabulary)
    folder = Path(HydraConfig.get().runtime.output_dir)
    settings = {"batch_size": cfg.trainer.batch_size, "audio_csv": folder / "audio.csv"}
    first, *others = [
        evaluate(one, rows, recognize=way, **settings)
        for one, way in zip(recognizers, ways, strict=True)
    ]
    first.write(folder)
    print_evaluation(first)
    for second in others:
        print_comparison(compare(first, second))
    print(f"evaluation: {folder}")
    if first.failures:
        sys.exit(1)


def score(
    references: Annotated[
        Path, typer.Option(help="Text file of the spoken sentences, one on each line.")
    ],
    hypotheses: Annotated[
        Path, typer.Option(help="Text file of the recognised sentences, in the same order.")
    ],
) -> None:
    """Compare two text files line by line: word, character and sentence error rates."""
    with printed_errors():
        from speech_rnn.evaluation.scoring import evaluate_texts
        from speech_rnn.reporting.terminal import print_evaluation

        print_evaluation(evaluate_texts(references, hypotheses))


def main() -> None:
    """Score a recogniser, or texts."""
    if any(argument.startswith(("--references", "--hypotheses")) for argument in sys.argv):
        return run_alone(score, EXAMPLES)
    hydra_door("evaluate", run)()


if __name__ == "__main__":
    main()
