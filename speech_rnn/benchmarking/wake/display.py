"""Show the wake-word benchmark as tables on the terminal, and its DET curves as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from speech_rnn.benchmarking.display import blank_figure
from speech_rnn.benchmarking.results import readable
from speech_rnn.benchmarking.wake.results import RATES, Operation, WakeReport
from speech_rnn.detection.matching import Detections, DetPoint

PANEL = 2.4
"""Width and height of the panel of a curve, in inches."""
ALL = "all"


def print_wake(report: WakeReport) -> None:
    """Print detection rates at fixed false-accept rates and at own thresholds, and costs."""
    console = Console()
    for rate in RATES:
        title = (
            f"found with at most {rate:g} false accepts an hour, one threshold in all conditions"
        )
        console.print(_found(title, report.operations(rate)), "")
    console.print(_found("found by its own thresholds", report.operations(None)), "")
    console.print(_latencies(report), "")
    console.print(_costs(report), "")
    for note in report.notes:
        console.print(escape(f"note: {note}"))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    for number, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if number > 1 else "left"
        table.add_column(escape(column), justify=justify, overflow="fold")
    return table


def _found(title: str, operations: Sequence[Operation]) -> Table:
    conditions = list(dict.fromkeys(name for each in operations for name in each.found))
    table = _table(title, "word", "", *conditions, "together", "false an hour", "threshold")
    for each in operations:
        counts = [each.found[name] for name in conditions]
        total = each.total
        low, high = total.false_interval
        table.add_row(
            escape(each.word),
            escape(each.contender),
            *map(_share, counts),
            f"{_share(total)} ({_interval(total)})",
            f"{total.false_per_hour:.2f} ({low:.2f}–{high:.2f})",
            "own" if each.threshold is None else f"{each.threshold:g}",
        )
    return table


def _share(found: Detections) -> str:
    return "–" if found.miss_rate is None else f"{100 * (1 - found.miss_rate):.1f} %"


def _interval(found: Detections) -> str:
    low, high = found.miss_interval
    return f"{100 * (1 - high):.1f}–{100 * (1 - low):.1f}"


def _latencies(report: WakeReport) -> Table:
    title = "seconds from the end of a word to its event, own thresholds: median, 95th percentile"
    table = _table(title, "", "", *report.conditions)
    for contender in report.contenders:
        found = {one.condition: one for one in report.listened if one.contender == contender}
        quantiles = [found[name].latency for name in report.conditions]
        texts = (f"{one.median:.2f}, {one.p95:.2f}" if one else "–" for one in quantiles)
        table.add_row(escape(contender), "", *texts)
    return table


def _costs(report: WakeReport) -> Table:
    table = _table("cost of a second of sound, one thread", "", "words", "time", "models")
    for cost in report.costs:
        table.add_row(
            escape(cost.contender),
            escape(", ".join(cost.words)),
            readable(cost.seconds.median),
            f"{cost.n_bytes / 1e6:.2f} MB",
        )
    return table


def draw_wake(report: WakeReport, path: str | Path) -> Path:
    """Draw the DET curves into a file, one row per word and one column per condition.

    Both axes are logarithmic. A rate of 0 is drawn at the edge, as half an error in all sound.

    Raises
    ------
    MissingExtraError
        if matplotlib is not installed.
    """
    words, columns = report.words, [ALL, *report.conditions]
    figure = blank_figure(PANEL * len(columns), PANEL * len(words) + 0.5)
    panels = figure.subplots(len(words), len(columns), squeeze=False, sharey=True)
    for row, word in zip(panels, words, strict=True):
        for number, contender in enumerate(report.contenders):
            curves = report.curves(contender, word)
            if not curves:
                continue
            together = {ALL: report.pooled(contender, word), **curves}
            for axes, column in zip(row, columns, strict=True):
                _curve(axes, together[column], contender, f"C{number}")
        for axes, column in zip(row, columns, strict=True):
            axes.set_title(f"{word}, {column}".replace("$", r"\$"), fontsize=8)
            axes.set(xscale="log", yscale="log")
            axes.tick_params(labelsize=6, which="both")
            axes.spines[["top", "right"]].set_visible(False)
        row[0].set_ylabel("missed (%)", fontsize=7)
    for axes in panels[-1]:
        axes.set_xlabel("false accepts an hour", fontsize=7)
    lines = {line.get_label(): line for axes in panels.flat for line in axes.lines}
    figure.legend(lines.values(), lines.keys(), loc="outside upper left", ncols=6, fontsize=7)
    figure.savefig(path, dpi=150)
    return Path(path)


def _curve(axes: Any, points: Sequence[DetPoint], name: str, colour: str) -> None:
    totals = [point.total for point in points]
    across = [max(one.false_per_hour, 0.5 / one.hours) for one in totals]
    up = [max(100 * (one.miss_rate or 0.0), 50 / max(1, one.n_labels)) for one in totals]
    axes.plot(across, up, ".-", color=colour, linewidth=1.2, markersize=3, label=name)
