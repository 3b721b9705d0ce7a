"""Compare groups of trainings on one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

from speech_rnn.reporting import pictures
from speech_rnn.reporting.rows import by_name, runs_of_groups
from speech_rnn.reporting.run_groups import Compared
from speech_rnn.reporting.templates import write_html


def write_comparison(found: Compared, path: Path) -> Path:
    """Write a page that compares groups of runs, and return its path.

    Raises
    ------
    MissingExtraError
        if matplotlib or jinja2 is not installed.
    DataError
        if the page cannot be written.
    """
    accuracies = {
        group.name: [100 * run.figures["accuracy"] for run in group.runs] for group in found.groups
    }
    n_runs = sum(len(group.runs) for group in found.groups)
    speakers = by_name(found, "speaker", "speakers")
    parts = {
        "title": f"{n_runs} trainings in {len(found.groups)} groups",
        "subtitle": "Runs of a group differ only in the seed: mean ± sample standard deviation "
        "over seeds, of the test split.",
        "accuracies": pictures.spreads(accuracies) if accuracies else "",
        "groups": runs_of_groups(found),
        "speakers": speakers if len(speakers) > 2 else [],
        "stress": by_name(found, "condition", "stress"),
        "runs": _runs(found),
        "commands": [(group.name, group.command) for group in found.groups if group.command],
        "alone": _alone(found),
    }
    return write_html("comparison.html", parts, path)


def _runs(found: Compared) -> list[list[str]]:
    rows = [["run", "seed", "accuracy", "training", "commit"]]
    for group in found.groups:
        for run in group.runs:
            share = f"{100 * run.figures['accuracy']:.2f} %"
            seconds = f"{run.training_seconds:.0f} s"
            rows.append([str(run.path), str(run.seed), share, seconds, run.commit])
    return rows


def _alone(found: Compared) -> list[list[str]]:
    rows = [[str(path), why] for path, why in found.alone]
    return [["run", "why"], *rows] if rows else []
