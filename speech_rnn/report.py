"""Show what trainings have reached: ``python -m speech_rnn.report FOLDER …``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import spoken_errors


def report(
    folders: Annotated[
        list[Path], typer.Argument(help="The output_dir of a training; several, or one of several.")
    ],
    output: Annotated[
        Path | None, typer.Option(help="The page; report.html or comparison.html without.")
    ] = None,
) -> None:
    """Write one HTML page: of a training, or of several with the seeds of each together."""
    with spoken_errors():
        from speech_rnn.reporting.report_page import write_report
        from speech_rnn.reporting.run_groups import is_several

        if is_several(folders):
            from speech_rnn.config.callbacks import compare_runs

            compare_runs(folders, output)
        else:
            print(f"report: {write_report(folders[0], output)}")


def main() -> None:
    """Show what trainings have reached."""
    typer.run(report)


if __name__ == "__main__":
    main()
