"""Show the results of trainings: ``python -m speech_rnn.report FOLDER …``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import printed_errors
from speech_rnn.reporting.examples import run_alone

EXAMPLES = (
    "speech-rnn report outputs/mine",
    "speech-rnn report outputs/seed-0 outputs/seed-1 --output seeds.html",
)


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Folder of a training (its output_dir). Several folders are compared on one page."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            help="File of the page. The default is report.html for one training and "
            "comparison.html for several."
        ),
    ] = None,
) -> None:
    """Write the HTML page of a training, or a comparison of several trainings."""
    with printed_errors():
        from speech_rnn.reporting.report_page import write_report
        from speech_rnn.reporting.run_groups import is_several

        if is_several(folders):
            from speech_rnn.config.callbacks import compare_runs

            compare_runs(folders, output)
        else:
            print(f"report: {write_report(folders[0], output)}")


def main() -> None:
    """Show the results of trainings."""
    run_alone(report, EXAMPLES)


if __name__ == "__main__":
    main()
