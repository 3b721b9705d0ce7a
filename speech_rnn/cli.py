"""``speech-rnn VERB`` is ``python -m speech_rnn.VERB``."""

from __future__ import annotations

import sys
from importlib import import_module

import typer
from rich.markup import escape

from speech_rnn import benchmark, recipes
from speech_rnn.export import export
from speech_rnn.forget import EXAMPLES as FORGETTING
from speech_rnn.forget import forget
from speech_rnn.generate import generate
from speech_rnn.learn import EXAMPLES as LEARNING
from speech_rnn.learn import learn
from speech_rnn.listen import listen
from speech_rnn.models import models
from speech_rnn.report import report
from speech_rnn.serve import serve
from speech_rnn.spot import spot
from speech_rnn.transcribe import transcribe

app = typer.Typer(
    help="Speech-command recognition with recurrent networks.",
    no_args_is_help=True,
    add_completion=False,
)

HYDRA_VERBS = {
    "train": "Train a recipe: speech-rnn train +recipe=NAME [key=value …].",
    "evaluate": "Score a Recognizer: speech-rnn evaluate model=FILE +recipe=NAME.",
    "audit": "Find clips whose label is doubtful: speech-rnn audit +recipe=NAME.",
    "detect": "Count misses and false accepts in hours of sound: speech-rnn detect model=FILE …",
    "search": "Search the settings of a recipe: speech-rnn search +recipe=NAME [key=value …].",
    "stress": "Score a Recognizer in noise, rooms and the like: speech-rnn stress model=FILE …",
    "tune": "Choose thresholds that keep a promise: speech-rnn tune model=FILE …",
}


def _hand_over(ctx: typer.Context) -> None:
    """Hydra owns its command lines, with sweeps and --help: it gets the arguments as they are."""
    sys.argv = [f"speech-rnn {ctx.info_name}", *ctx.args]
    import_module(f"speech_rnn.{ctx.info_name}").main()


for verb, summary in HYDRA_VERBS.items():
    settings = {
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    }
    app.command(verb, help=escape(summary), context_settings=settings)(_hand_over)
EXAMPLES = {learn: LEARNING, forget: FORGETTING}
for door in (transcribe, spot, listen, serve, learn, forget, models, export, generate, report):
    app.command(epilog=EXAMPLES.get(door))(door)
app.add_typer(recipes.app, name="recipes")
app.add_typer(benchmark.app, name="benchmark")


def main() -> None:
    """Run a verb."""
    app(prog_name="speech-rnn")
