"""Generate sentences: ``python -m speech_rnn.generate --grammar FILE`` or ``--lm FILE``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import ConfigurationError, printed_errors
from speech_rnn.reporting.examples import run_alone

EXAMPLES = (
    "speech-rnn generate --grammar robot.jsgf -n 1000",
    "speech-rnn generate --lm language_model.safetensors --temperature 0.5",
)


def generate(
    grammar: Annotated[
        Path | None, typer.Option(help="A grammar (JSGF). The sentences are drawn from it.")
    ] = None,
    lm: Annotated[
        Path | None,
        typer.Option(
            help="A language model: the file language_model.safetensors of +recipe=language_model."
        ),
    ] = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="Number of sentences.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the random draws.")] = 0,
    temperature: Annotated[
        float,
        typer.Option(
            help="Temperature of the language model, above 0. Lower values draw likelier sentences."
        ),
    ] = 1.0,
) -> None:
    """Generate random sentences, one in each line, from a grammar or a language model."""
    with printed_errors():
        if (grammar is None) == (lm is None):
            raise ConfigurationError("give one of --grammar FILE and --lm FILE")
        for sentence in _sentences(grammar, lm, number, seed, temperature):
            print(sentence)


def _sentences(
    grammar: Path | None, lm: Path | None, number: int, seed: int, temperature: float
) -> list[str]:
    if grammar is not None:
        from speech_rnn.decoding.grammar import Grammar

        return Grammar.load(grammar).sentences(number, seed)
    from speech_rnn.language.recurrent import RecurrentLanguageModel

    return RecurrentLanguageModel.load(str(lm)).sentences(number, seed, temperature=temperature)


main = partial(run_alone, generate, EXAMPLES)

if __name__ == "__main__":
    main()
