"""List the recipes, or copy one to change it: ``python -m speech_rnn.recipes``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import ConfigurationError, did_you_mean, printed_errors
from speech_rnn.reporting.examples import epilog

EXAMPLES = ("speech-rnn recipes", "speech-rnn recipes copy demo mine")
COPYING = (
    "speech-rnn recipes copy demo mine",
    "speech-rnn train --config-dir mine +recipe=my_demo",
)

app = typer.Typer(add_completion=False, invoke_without_command=True, epilog=epilog(EXAMPLES))


@app.callback()
def list_recipes(ctx: typer.Context) -> None:
    """List the recipes, or copy one to change it."""
    if ctx.invoked_subcommand is not None:
        return
    with printed_errors():
        from speech_rnn.config.app import recipe_lines

        for line in recipe_lines():
            print(line)


@app.command(epilog=epilog(COPYING))
def copy(
    name: Annotated[str, typer.Argument(help="Name of the recipe.")],
    folder: Annotated[Path, typer.Argument(help="Folder for the copy.")] = Path("conf"),
) -> None:
    """Copy a recipe to FOLDER/recipe/my_NAME.yaml, where you can change it."""
    with printed_errors():
        from speech_rnn.config.app import CONF, recipes

        if name not in recipes():
            raise ConfigurationError(
                f"recipe={name!r} does not exist{did_you_mean(name, recipes())}"
            )
        target = folder / "recipe" / f"my_{name}.yaml"
        if target.exists():
            raise ConfigurationError(f"{target} exists already; rename or remove it first")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CONF / "recipe" / f"{name}.yaml", target)
        print(f"{target}: train it with  --config-dir {folder} +recipe=my_{name}")


def main() -> None:
    """List or copy recipes."""
    app()


if __name__ == "__main__":
    main()
