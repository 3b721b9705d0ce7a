"""Describe recognisers: ``python -m speech_rnn.models [FILE…]``."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import spoken_errors
from speech_rnn.starter import STARTER


def models(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Recognisers; without any, the one of the package.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Describe recognisers: their words, and the words trained on synthetic speech only."""
    with spoken_errors():
        from speech_rnn.recognizer import Recognizer
        from speech_rnn.reporting.summary import Summary

        for file in files or [STARTER]:
            found = Summary.of(file, Recognizer.load(file))
            print(json.dumps(found.to_dict(), ensure_ascii=False) if as_json else found)


main = partial(typer.run, models)

if __name__ == "__main__":
    main()
