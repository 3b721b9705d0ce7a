"""Groups of trainings side by side, as one HTML file that needs no other, and no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from speech_rnn.reporting import pictures
from speech_rnn.reporting.run_groups import FIGURES, Compared, RunGroup, Spread
from speech_rnn.reporting.templates import write_html

__all__ = ["write_comparison"]


def write_comparison(found: Compared, path: Path) -> Path:
    """Show groups of runs as a page, and return where.

    Raises
    ------
    MissingExtraError
        without matplotlib and jinja2.
    DataError
        if the page cannot be written.
    """
    accuracies = {
        group.name: [100 * run.figures["accuracy"] for run in group.runs] for group in found.groups
    }
    n_runs = sum(len(group.runs) for group in found.groups)
    parts = {
        "title": f"{n_runs} trainings in {len(found.groups)} groups",
        "subtitle": "A group differs in nothing but the seed: mean ± sample standard deviation "
        "over seeds, of the test split.",
        "accuracies": pictures.spreads(accuracies) if accuracies else "",
        "groups": _groups(found),
        "speakers": _by_name(found, "speaker", lambda group: group.speakers),
        "stress": _by_name(found, "condition", lambda group: group.stress),
        "runs": _runs(found),
        "commands": [(group.name, group.command) for group in found.groups if group.command],
        "alone": _alone(found),
    }
    return write_html("comparison.html", parts, path)


def _groups(found: Compared) -> list[list[str]]:
    rows = [["", "seeds", "clips", *FIGURES, "lowest, highest accuracy", "parameters", "training"]]
    for group in found.groups:
        first = group.runs[0]
        seconds = Spread.of([run.training_seconds for run in group.runs]).mean
        clips = sorted({run.n_clips for run in group.runs})
        rows.append(
            [
                group.name,
                ", ".join(map(str, group.seeds)),
                " to ".join(map(str, clips[:: max(1, len(clips) - 1)])),
                *_figures(group.figures),
                f"{first.n_parameters:,}",
                f"{seconds / 60:.1f} min",
            ]
        )
    for mean in found.folds:
        seeds = ", ".join(map(str, mean.seeds))
        rows.append([mean.name, seeds, str(mean.n_clips), *_figures(mean.figures), "", ""])
    return rows


def _figures(figures: Mapping[str, Spread]) -> list[str]:
    accuracy = figures["accuracy"]
    ends = f"{100 * accuracy.low:.2f}, {100 * accuracy.high:.2f} %"
    return [*(figures[name].percent() for name in FIGURES), ends]


def _by_name(
    found: Compared, title: str, of: Callable[[RunGroup], Mapping[str, Spread]]
) -> list[list[str]]:
    """Return accuracy by name, with a column a group."""
    columns = [of(group) for group in found.groups]
    names = list(dict.fromkeys(name for column in columns for name in column))
    if not names or (title == "speaker" and len(names) < 2):
        return []
    return [
        [title, *(group.name for group in found.groups)],
        *(
            [name, *(column[name].percent() if name in column else "–" for column in columns)]
            for name in names
        ),
    ]


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
