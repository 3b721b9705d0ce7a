"""Show what a training has reached: ``python -m speech_rnn.report FOLDER``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import spoken_errors


def report(
    folder: Annotated[Path, typer.Argument(help="The output_dir of a training.")],
    output: Annotated[
        Path | None, typer.Option(help="The page; report.html in the folder without.")
    ] = None,
) -> None:
    """Write one HTML page of curves, figures, errors to listen to, and the model card."""
    with spoken_errors():
        from speech_rnn.reporting.page import write_report

        print(f"report: {write_report(folder, output)}")


def main() -> None:
    """Show what a training has reached."""
    typer.run(report)


if __name__ == "__main__":
    main()
