"""``speech-rnn VERB`` is ``python -m speech_rnn.VERB``."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated

import typer
from rich.markup import escape

from speech_rnn import __version__, benchmark, recipes
from speech_rnn.engines.environment import set_environment
from speech_rnn.reporting.examples import epilog

HYDRA_VERBS = {
    "train": "Train a recogniser: speech-rnn train +recipe=NAME [key=value …].",
    "evaluate": "Measure the accuracy of a recogniser: speech-rnn evaluate "
    "model=FILE +recipe=NAME.",
    "audit": "Find clips with doubtful labels: speech-rnn audit +recipe=NAME.",
    "detect": "Count misses and false accepts in hours of sound: speech-rnn detect model=FILE …",
    "search": "Search better settings of a recipe: speech-rnn search +recipe=NAME [key=value …].",
    "shard": "Write a corpus as tar archives (shards): speech-rnn shard +recipe=NAME output=DIR.",
    "stress": "Measure the accuracy in noise, in rooms and in narrow bands: "
    "speech-rnn stress model=FILE …",
    "tune": "Choose thresholds for a limit on false accepts or misses: "
    "speech-rnn tune model=FILE …",
}
OWN_VERBS = (
    "transcribe",
    "spot",
    "listen",
    "serve",
    "page",
    "learn",
    "forget",
    "models",
    "doctor",
    "export",
    "generate",
    "report",
)
"""Verbs of one function with options."""

app = typer.Typer(
    help="Speech-command recognition with recurrent networks.",
    epilog=epilog(
        (
            "speech-rnn transcribe clip.wav",
            "speech-rnn train +recipe=demo",
            "speech-rnn VERB --help",
        )
    ),
    no_args_is_help=True,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"speech-rnn {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Take the options that stand before a verb."""


def _complete(ctx: typer.Context, incomplete: str) -> list[str]:
    from speech_rnn.config.completion import complete

    return complete(ctx.params.get("settings") or (), incomplete)


def _hand_over(
    ctx: typer.Context,
    settings: Annotated[
        list[str] | None, typer.Argument(autocompletion=_complete, hidden=True)
    ] = None,
) -> None:
    """Hydra owns its command lines, with sweeps and --help: it gets the arguments as they are."""
    sys.argv = [f"speech-rnn {ctx.info_name}", *(settings or ()), *ctx.args]
    import_module(f"speech_rnn.{ctx.info_name}").main()


for verb, summary in HYDRA_VERBS.items():
    passing = {
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    }
    app.command(verb, help=escape(summary), context_settings=passing)(_hand_over)
for verb in OWN_VERBS:
    module = import_module(f"speech_rnn.{verb}")
    app.command(epilog=epilog(module.EXAMPLES))(getattr(module, verb))
app.add_typer(recipes.app, name="recipes")
app.add_typer(benchmark.app, name="benchmark")


def main() -> None:
    """Run a verb."""
    set_environment()
    app(prog_name="speech-rnn")
