"""List the recipes, or copy one to change it: ``python -m speech_rnn.recipes``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import ConfigurationError, spoken_errors

app = typer.Typer(add_completion=False, invoke_without_command=True)


@app.callback()
def list_recipes(ctx: typer.Context) -> None:
    """List the recipes, or copy one to change it."""
    if ctx.invoked_subcommand is not None:
        return
    with spoken_errors():
        from speech_rnn.config.app import CONF, recipes

        for name in recipes():
            lines = (CONF / "recipe" / f"{name}.yaml").read_text().splitlines()
            about = next(line for line in lines if line.startswith("# ") and "@package" not in line)
            print(f"{name:24}{about.removeprefix('# ')}")


@app.command()
def copy(
    name: Annotated[str, typer.Argument(help="A recipe's name.")],
    folder: Annotated[Path, typer.Argument(help="Where conf/recipe is made.")] = Path("conf"),
) -> None:
    """Copy a recipe to FOLDER/recipe; train it with --config-dir FOLDER +recipe=NAME."""
    with spoken_errors():
        from speech_rnn.config.app import CONF, recipes

        if name not in recipes():
            raise ConfigurationError(f"recipe={name!r} is none of {', '.join(recipes())}")
        target = folder / "recipe" / f"my_{name}.yaml"
        if target.exists():
            raise ConfigurationError(f"{target} exists already; move it away first")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CONF / "recipe" / f"{name}.yaml", target)
        print(f"{target}: train it with  --config-dir {folder} +recipe=my_{name}")


def main() -> None:
    """List or copy recipes."""
    app()


if __name__ == "__main__":
    main()
