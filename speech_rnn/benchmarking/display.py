"""Show a benchmark as tables on the terminal and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from speech_rnn.benchmarking.results import Benchmark, Growth, Section, Times, readable
from speech_rnn.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, BAR, HEAD = 9.0, 0.28, 0.9
"""Width of the page, height of a bar, and height of the margins of a section, in inches."""
OURS, OTHERS = "#2563c9", "#9aa1ad"


def print_section(section: Section) -> None:
    """Print a section as a table: medians, quartiles, ratios to the first row, and notes."""
    table = Table(title=section.heading, title_justify="left", box=None)
    table.add_column("", overflow="fold")
    if section.growths:
        _add_growths(table, section)
    else:
        _add_rows(table, section)
    console = Console()
    console.print(table)
    console.print()


def _add_growths(table: Table, section: Section) -> None:
    for column in ("sizes", "medians", "exponent"):
        table.add_column(column, justify="right")
    for growth in section.growths:
        sizes = f"{growth.sizes[0]:,g} to {growth.sizes[-1]:,g}"
        ends = " to ".join(readable(growth.seconds[end].median) for end in (0, -1))
        table.add_row(growth.name, sizes, ends, f"{growth.exponent:.2f}")


def _add_rows(table: Table, section: Section) -> None:
    names = list(dict.fromkeys(name for row in section.rows for name in row.figures))
    for column in ("median", "quartiles", "times the first", *names, ""):
        table.add_column(column, justify="right" if column else "left", overflow="fold")
    for row in section.rows:
        ratio = section.times_first(row)
        table.add_row(
            escape(row.name),
            readable(row.seconds.median) if row.seconds else "–",
            _spread(row.seconds) if row.seconds else "",
            f"{ratio:.2f}" if ratio is not None else "",
            *(f"{row.figures[name]:,.1f}" if name in row.figures else "" for name in names),
            escape(row.note),
        )


def _spread(times: Times) -> str:
    return " – ".join(map(readable, times.quartiles)) if len(times.seconds) > 1 else ""


def print_machine(benchmark: Benchmark) -> None:
    """Print the processor and the package versions of a benchmark."""
    packages = ", ".join(f"{name} {number}" for name, number in benchmark.versions.items())
    print(f"{benchmark.processor}, {benchmark.n_cores} cores; {packages}")


def blank_figure(width: float, height: float) -> Figure:
    """Return an empty figure of this width and height, in inches.

    Raises
    ------
    MissingExtraError
        if matplotlib is not installed.
    """
    try:
        from matplotlib import figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report") from error
    return figure.Figure(figsize=(width, height), layout="constrained")


def draw(benchmark: Benchmark, path: str | Path) -> Path:
    """Draw a bar chart of each section and the scaling curves into a file, and return its path.

    Raises
    ------
    MissingExtraError
        if matplotlib is not installed.
    """
    bars = [(section, shown) for section in benchmark.sections if (shown := _shown(section))]
    growths = [growth for section in benchmark.sections for growth in section.growths]
    heights = [HEAD + BAR * len(shown) for _, shown in bars] + [WIDTH / 3] * bool(growths)
    figure = blank_figure(WIDTH, 0.6 + sum(heights))
    figure.suptitle(f"{benchmark.processor}, {benchmark.n_cores} cores", fontsize=10)
    panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (section, shown) in zip(panels, bars, strict=False):
        _bars(axes, section.heading, shown)
    if growths:
        _curves(panels[-1], growths)
    figure.savefig(path, dpi=150)
    return Path(path)


def _shown(section: Section) -> dict[str, Times]:
    return {row.name: row.seconds for row in section.rows if row.seconds is not None}


def _bars(axes: Any, heading: str, rows: dict[str, Times]) -> None:
    medians = [times.median for times in rows.values()]
    spread = [
        [times.median - times.quartiles[0] for times in rows.values()],
        [times.quartiles[1] - times.median for times in rows.values()],
    ]
    ours = ("speech_rnn", "transcribe", "PyTorch", "ONNX")
    colours = [OURS if name.startswith(ours) else OTHERS for name in rows]
    axes.barh([*rows], medians, height=0.7, color=colours, xerr=spread, error_kw={"elinewidth": 1})
    axes.invert_yaxis()
    labels = [f" {readable(median)}" for median in medians]
    axes.bar_label(axes.containers[-1], labels, fontsize=7)
    axes.set_title(heading, fontsize=9, loc="left")
    axes.margins(x=0.12)
    axes.tick_params(labelsize=7)
    axes.set_xticks([])  # each bar carries its value
    axes.spines[["top", "right"]].set_visible(False)


def _curves(axes: Any, growths: Sequence[Growth]) -> None:
    for growth in growths:
        medians = [1000 * times.median for times in growth.seconds]
        label = f"{growth.name}, exponent {growth.exponent:.2f}"
        axes.loglog(growth.sizes, medians, marker="o", markersize=3, label=label)
    axes.set_ylabel("ms", fontsize=7)
    axes.legend(fontsize=7)
    axes.tick_params(labelsize=6, which="both")
    axes.spines[["top", "right"]].set_visible(False)
