"""Examples at the end of a verb's ``--help``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import typer
from rich.markup import escape

from speech_rnn.engines.environment import set_environment


def epilog(examples: Iterable[str]) -> str:
    """Return command lines as typer shows them below the options of a verb, one a line."""
    return "\n\n".join(["Examples:", *map(escape, examples)])


def run_alone(verb: Callable[..., Any], examples: Iterable[str]) -> None:
    """Run a verb as the only one of a program, such as ``python -m speech_rnn.spot``."""
    app = typer.Typer(add_completion=False)
    app.command(epilog=epilog(examples))(verb)
    set_environment()
    app()
