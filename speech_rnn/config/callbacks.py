"""Write reports and comparisons when a run, or a sweep of runs, has ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from speech_rnn.errors import SpeechRnnError

if TYPE_CHECKING:
    from speech_rnn.recognizer import Recognizer


def report_on(folder: Path, recognizer: Recognizer | None = None) -> None:
    """Write the report of a training, or say what it takes: the training is done either way."""
    from speech_rnn.reporting.report_page import write_report

    try:
        print(f"report: {write_report(folder, recognizer=recognizer)}")
    except SpeechRnnError as error:
        print(f"no report: {error}")


class CompareRuns(Callback):
    """Compare the trainings of a multirun at its end; seeds of one setting form a group."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the table, and write it as JSON and as a page."""
        folder = Path(config.hydra.sweep.dir)
        if len(list(folder.glob("*/metrics.json"))) > 1:
            try:
                compare_runs([folder], page=config.report)
            except SpeechRnnError as error:  # the trainings are done either way
                print(f"no comparison: {error}")


def compare_runs(folders: Sequence[Path], output: Path | None = None, *, page: bool = True) -> None:
    """Print how trainings compare, and write it as JSON and as a page.

    They are ``comparison.json`` and ``comparison.html`` in the folder, or, of several, where the
    person stands; unless `output` names the page.
    """
    from speech_rnn.reporting.comparison_page import write_comparison
    from speech_rnn.reporting.run_groups import compared
    from speech_rnn.reporting.terminal import print_run_groups

    found = compared(folders)
    print_run_groups(found)
    place = Path(folders[0]) if len(folders) == 1 else Path()
    output = output or place / "comparison.html"
    print(f"figures: {found.write(output.with_suffix('.json'))}")
    if page:
        print(f"comparison: {write_comparison(found, output)}")
