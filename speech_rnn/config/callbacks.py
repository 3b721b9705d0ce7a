"""Write reports and comparisons when a run, or a sweep of runs, has ended."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from speech_rnn.errors import SpeechRnnError, printed_errors
from speech_rnn.storage.folders import make_folder, writing

if TYPE_CHECKING:
    from speech_rnn.recognizer import Recognizer


def report_on(folder: Path, recognizer: Recognizer | None = None) -> None:
    """Write the report of a training; if that fails, print why, since the training is complete."""
    from speech_rnn.reporting.report_page import write_report

    try:
        print(f"report: {write_report(folder, recognizer=recognizer)}")
    except SpeechRnnError as error:
        print(f"no report: {error}")


class OutputFolder(Callback):
    """Check that the output folder can be written, before Hydra fails with a traceback."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Create the folder of a run."""
        with printed_errors():
            make_folder(config.hydra.run.dir, "output_dir")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Create the folder of a sweep."""
        with printed_errors():
            make_folder(config.hydra.sweep.dir, "output_dir")


class CompareRuns(Callback):
    """Compare the trainings of a multirun at its end; runs that differ in seed form a group."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the table, and write it as JSON and as a page."""
        folder = Path(config.hydra.sweep.dir)
        if len(list(folder.glob("*/metrics.json"))) > 1:
            try:
                with writing(folder, "output_dir"):
                    compare_runs([folder], page=config.report)
            except SpeechRnnError as error:  # the trainings themselves are complete
                print(f"no comparison: {error}")
        if any(map(_has_failures, folder.glob("*/metrics.json"))):
            sys.exit(1)  # as each training would have done on its own


def _has_failures(metrics: Path) -> bool:
    """Return whether a test clip of a training could not be read."""
    test = json.loads(metrics.read_text(encoding="utf-8")).get("test")
    return bool(test and test["n_failures"])


def compare_runs(folders: Sequence[Path], output: Path | None = None, *, page: bool = True) -> None:
    """Print a comparison of trainings, and write it as JSON and as a page.

    The files are ``comparison.json`` and ``comparison.html`` in the folder, or in the current
    directory if there are several folders. `output` is another path for the page.
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
