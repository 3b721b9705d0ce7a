"""``speech-rnn VERB`` is ``python -m speech_rnn.VERB``."""

from __future__ import annotations

import sys

import typer

app = typer.Typer(
    help="Speech-command recognition with recurrent networks.",
    no_args_is_help=True,
    add_completion=False,
)

VERBS = {
    "train": "Train a recipe: speech-rnn train +recipe=NAME (Hydra overrides).",
    "evaluate": "Score a Recognizer: speech-rnn evaluate model=FILE +recipe=NAME.",
    "transcribe": "Transcribe sound files: speech-rnn transcribe --model FILE PATH…",
    "recipes": "List the recipes, or copy one to change it.",
}


def _hand_over(ctx: typer.Context) -> None:
    """Run the verb's own command line: Hydra owns that of two, and each verb has one `main`."""
    from importlib import import_module

    sys.argv = [f"speech-rnn {ctx.info_name}", *ctx.args]
    import_module(f"speech_rnn.{ctx.info_name}").main()


for _verb, _help in VERBS.items():
    app.command(
        _verb,
        help=_help,
        context_settings={
            "allow_extra_args": True,
            "ignore_unknown_options": True,
            "help_option_names": [],
        },
    )(_hand_over)


def main() -> None:
    """Run a verb."""
    app()
