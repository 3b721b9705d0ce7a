"""Describe recognisers: ``python -m speech_rnn.models [FILE…]``."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import printed_errors
from speech_rnn.reporting.examples import run_alone
from speech_rnn.starter import STARTER

EXAMPLES = (
    "speech-rnn models",
    "speech-rnn models --json outputs/mine/recognizer.safetensors",
)


def models(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Files of recognisers. The default is the recogniser of the package."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each file.")
    ] = False,
) -> None:
    """Describe recognisers: their words, and which were trained on synthetic speech only."""
    with printed_errors():
        from speech_rnn.recognizer import Recognizer
        from speech_rnn.reporting.summary import Summary

        for file in files or [STARTER]:
            found = Summary.of(file, Recognizer.load(file))
            print(json.dumps(found.to_dict(), ensure_ascii=False) if as_json else found)


main = partial(run_alone, models, EXAMPLES)

if __name__ == "__main__":
    main()
