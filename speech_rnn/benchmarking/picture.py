"""A picture of a benchmark: bars for each section, and how costs grow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from speech_rnn.benchmarking.results import Benchmark, Growth, Section
from speech_rnn.benchmarking.timing import told
from speech_rnn.errors import MissingExtraError

__all__ = ["draw"]

WIDTH, BAR, HEAD = 9.0, 0.28, 0.9
"""Inches: of the page, of a bar, and of what stands around those of a section."""
OURS, OTHERS = "#2563c9", "#9aa1ad"


def draw(benchmark: Benchmark, path: str | Path) -> Path:
    """Draw a benchmark into a file whose ending names its kind, and return the file.

    Raises
    ------
    MissingExtraError
        without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report") from error
    bars = [section for section in benchmark.sections if _shown(section)]
    growths = [growth for section in benchmark.sections for growth in section.growths]
    heights = [HEAD + BAR * len(_shown(section)) for section in bars]
    heights += [WIDTH / 3] if growths else []
    figure = Figure(figsize=(WIDTH, 0.6 + sum(heights)), layout="constrained")
    figure.suptitle(f"{benchmark.processor}, {benchmark.n_cores} cores", fontsize=10)
    rows = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for place, section in zip(rows, bars, strict=False):
        _bars(place.subplots(), section)
    if growths:
        for axes, growth in zip(
            rows[-1].subplots(1, len(growths), squeeze=False)[0], growths, strict=True
        ):
            _curve(axes, growth)
    path = Path(path)
    figure.savefig(path, dpi=150)
    return path


def _shown(section: Section) -> list[tuple[str, float, tuple[float, float]]]:
    """Return name, median and quartiles in seconds of the rows that were measured."""
    return [
        (row.name, row.seconds.median, row.seconds.quartiles)
        for row in section.rows
        if row.seconds is not None
    ]


def _bars(axes: Any, section: Section) -> None:
    rows = _shown(section)
    names, medians, quartiles = zip(*rows, strict=True)
    colours = [OURS if _is_ours(name) else OTHERS for name in names]
    spread = [
        [median - low for median, (low, _) in zip(medians, quartiles, strict=True)],
        [high - median for median, (_, high) in zip(medians, quartiles, strict=True)],
    ]
    axes.barh(names, medians, height=0.7, color=colours, xerr=spread, error_kw={"elinewidth": 1})
    axes.invert_yaxis()
    axes.bar_label(axes.containers[-1], [f" {told(median)}" for median in medians], fontsize=7)
    axes.set_title(f"{section.title} ({_threads(section.n_threads)})", fontsize=9, loc="left")
    axes.margins(x=0.12)
    axes.tick_params(labelsize=7)
    axes.set_xticks([])  # the bars are labelled
    axes.spines[["top", "right"]].set_visible(False)


def _is_ours(name: str) -> bool:
    return name.startswith(("speech_rnn", "transcribe", "PyTorch", "ONNX"))


def _threads(n: int) -> str:
    return "one thread" if n == 1 else f"{n} threads"


def _curve(axes: Any, growth: Growth) -> None:
    medians = [1000 * times.median for times in growth.seconds]
    axes.loglog(growth.sizes, medians, marker="o", markersize=3, color=OURS)
    axes.set_title(f"{growth.name}\nexponent {growth.exponent:.2f}", fontsize=7)
    axes.set_ylabel("ms", fontsize=7)
    axes.tick_params(labelsize=6, which="both")
    axes.spines[["top", "right"]].set_visible(False)
