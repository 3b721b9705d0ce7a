"""Pictures as SVG that take their colours from the page: ink, faint and accents."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech_rnn.errors import MissingExtraError
from speech_rnn.metrics import Reliability, RiskCoverage
from speech_rnn.reporting.run_folder import Curve

__all__ = [
    "Line",
    "clip",
    "confusion",
    "curves",
    "gradients",
    "on_its_own",
    "reliability",
    "risk",
    "sweep",
]

# Colours that no picture has by itself stand for those of the page, light or dark.
INK, FAINT, FIRST, SECOND, PAPER = "#010203", "#040506", "#070809", "#0a0b0c", "#0d0e0f"
VARIABLES = {INK: "--ink", FAINT: "--faint", FIRST: "--first", SECOND: "--second", PAPER: "--card"}
MOST_NUMBERED = 12
"""Classes of a confusion matrix whose counts are written into it."""

LEAST_GRADIENT = 1e-20
"""Where the axis of gradients ends."""

STYLE = """<style>
svg { --ink: #1d2129; --faint: #9aa1ad; --first: #2563c9; --second: #c2571a; --card: #fff;
  background: var(--card); }
@media (prefers-color-scheme: dark) { svg { --ink: #e8e8e4; --faint: #767d8a; --first: #7fb0ff;
  --second: #ffa066; --card: #1c1f25; } }
</style>"""


class Line(NamedTuple):
    """A curve: the same `colour` number gives the same colour."""

    x: Sequence[float]
    y: Sequence[float]
    colour: int
    dashed: bool


def _drawn(draw: Callable[[Any], None], width: float, height: float) -> str:
    """Return what `draw` puts on a figure of so many inches."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report") from error
    style: dict[Any, Any] = {
        **{f"{part}.color": INK for part in ("text", "xtick", "ytick")},
        "axes.labelcolor": INK,
        "axes.edgecolor": FAINT,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "font.size": 9,
        "legend.frameon": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "speech_rnn",
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.patch.set_alpha(0.0)
        draw(figure)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', 'role="img"', svg, count=1)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font: ([^;\"]*) '[^']*'[^;\"]*", r"font: \1 system-ui, sans-serif", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg


def curves(of: Mapping[str, Curve]) -> str:
    """Draw loss, error rate, learning rate and gradient norm over epochs."""
    panels = [
        ("loss", ("train/loss", "validation/loss"), "log"),
        ("validation error rate", ("validation/error_rate",), "linear"),
        ("learning rate", ("lr-AdamW/pg1", "lr-AdamW"), "linear"),
        ("gradient norm", ("train/gradient_norm",), "log"),
    ]
    shown = [
        (title, {name: of[name] for name in names if of.get(name)}, scale)
        for title, names, scale in panels
    ]
    shown = [panel for panel in shown if panel[1]]

    def draw(figure: Any) -> None:
        grid = figure.subplots(math.ceil(len(shown) / 2), 2, squeeze=False).flat
        for axes, (title, lines, scale) in zip(grid, shown, strict=False):
            for colour, (name, curve) in zip((FIRST, SECOND), lines.items(), strict=False):
                epochs, values = zip(*curve, strict=True)
                axes.plot(epochs, values, color=colour, linewidth=1.4, label=name.split("/")[0])
            axes.set_title(title, loc="left")
            positive = all(value > 0 for curve in lines.values() for _, value in curve)
            axes.set_yscale(scale if positive else "linear")
            if len(lines) > 1:
                axes.legend()
        for axes in list(grid)[len(shown) :]:
            axes.set_axis_off()

    return _drawn(draw, 7.2, 2.1 * math.ceil(len(shown) / 2))


def confusion(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Draw how often each reference (a row) got each answer (a column)."""
    table = np.array(counts, dtype=np.float64)  # (R, C)
    shares = table / table.sum(axis=1, keepdims=True).clip(min=1)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for (row, column), share in np.ndenumerate(shares):
            if not share:
                continue
            colour = FIRST if labels[row] == labels[column] else SECOND
            box = (column - 0.5, row - 0.5), 1, 1
            axes.add_patch(_rectangle(*box, facecolor=colour, alpha=0.15 + 0.75 * share))
            if len(labels) <= MOST_NUMBERED:
                text = str(int(table[row, column]))
                ink = PAPER if share > 0.5 else INK
                axes.text(column, row, text, ha="center", va="center", fontsize=8, color=ink)
        axes.set_xlim(-0.5, table.shape[1] - 0.5)
        axes.set_ylim(table.shape[0] - 0.5, -0.5)
        axes.set_xticks(range(table.shape[1]), _plain(labels[: table.shape[1]]), rotation=90)
        axes.set_yticks(range(table.shape[0]), _plain(labels[: table.shape[0]]))
        axes.set_xlabel("answered")
        axes.set_ylabel("said")
        axes.tick_params(length=0)

    side = 2.0 + 0.34 * len(labels)
    return _drawn(draw, min(9.0, side), min(8.4, side - 0.6))


def _rectangle(*box: Any, **style: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(*box, linewidth=0, **style)


def _plain(labels: Sequence[str]) -> list[str]:
    """Keep matplotlib from reading labels as formulas."""
    return [label.replace("$", r"\$") for label in labels]


def reliability(figures: Reliability) -> str:
    """Draw accuracy over confidence; on the diagonal they are the same."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1)
        width = 1 / len(figures.counts)
        for place, (count, right) in enumerate(
            zip(figures.counts, figures.accuracies, strict=True)
        ):
            if count:
                alpha = 0.25 + 0.6 * (count / max(figures.counts)) ** 0.5
                axes.bar((place + 0.5) * width, right, 0.9 * width, color=FIRST, alpha=alpha)
        axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))

    return _drawn(draw, 3.5, 3.0)


def risk(figures: RiskCoverage) -> str:
    """Draw the share of wrong answers over the share of utterances that are answered."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        values = [100 * value for value in figures.risk]
        axes.plot([100 * value for value in figures.coverage], values, color=FIRST, linewidth=1.6)
        axes.set(xlabel="answered (%), the surest first", ylabel="wrong (%)", xlim=(0, 100))
        axes.set_ylim(0, max(1.0, 1.1 * max(values, default=0)))

    return _drawn(draw, 3.5, 3.0)


def sweep(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """Draw accuracy, with its interval, under one condition after another."""
    shares = [100 * row["accuracy"]["accuracy"] for row in rows]
    low, high = (
        [
            abs(100 * row["accuracy"]["interval"][end] - share)
            for row, share in zip(rows, shares, strict=True)
        ]
        for end in (0, 1)
    )

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        places = range(len(rows))
        bars = {"color": FIRST, "ecolor": FAINT, "capsize": 3, "marker": "o", "linewidth": 1.4}
        axes.errorbar(places, shares, np.abs([low, high]), **bars)
        axes.set_xticks(places, _plain([str(row["value"]) for row in rows]), rotation=30)
        axes.set(xlabel=name, ylabel="accuracy (%)")
        axes.set_ylim(min([*shares, 90]) - 8, 101)

    return _drawn(draw, 3.5, 2.6)


def clip(
    samples: NDArray[np.float32],
    sample_rate: int,
    frames: NDArray[np.float32],
    attention: NDArray[np.float32] | None,
) -> str:
    """Draw a clip: waveform (N,), log-mel frames (T, D), and attention over time (n_heads, T')."""
    seconds = len(samples) / sample_rate

    def draw(figure: Any) -> None:
        parts = 2 if attention is None else 3
        panels = figure.subplots(parts, 1, sharex=True, height_ratios=(1, 2, 1)[:parts])
        step = max(1, len(samples) // 600)
        loud = np.abs(samples[: len(samples) // step * step]).reshape(-1, step).max(axis=1)
        time = np.linspace(0, seconds, len(loud))
        panels[0].fill_between(time, -loud, loud, color=FIRST, linewidth=0)
        panels[0].set_yticks([])
        panels[1].imshow(
            frames.T, origin="lower", aspect="auto", extent=(0, seconds, 0, 1), cmap="magma"
        )
        panels[1].set_yticks([])
        panels[1].set_ylabel("mel")
        if attention is not None:
            for weights in attention:
                times = np.linspace(0, seconds, len(weights))
                panels[2].plot(times, weights, color=SECOND, linewidth=1, alpha=0.8)
            panels[2].set_yticks([])
            panels[2].set_ylabel("attention")
        panels[-1].set(xlabel="seconds", xlim=(0, seconds))

    return _drawn(draw, 3.6, 2.6)


def gradients(panels: Mapping[str, Mapping[str, Line]], tone_seconds: float) -> str:
    """Draw what is left of a gradient over the time before the answer, a panel beside the other."""
    colours = (SECOND, FIRST, INK)

    def draw(figure: Any) -> None:
        row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (title, lines) in zip(row, panels.items(), strict=True):
            for name, line in lines.items():
                dashes = "--" if line.dashed else "-"
                colour = colours[line.colour % len(colours)]
                axes.plot(line.x, line.y, dashes, color=colour, linewidth=1.4, label=name)
            start = min(line.x[0] for line in lines.values())
            axes.axvspan(start, start + tone_seconds, color=FAINT, alpha=0.3, linewidth=0)
            axes.set_yscale("log")
            axes.set(xlabel="seconds before the answer", xlim=(start, 0))
            axes.set_ylim(LEAST_GRADIENT, 10)
            axes.set_title(title, loc="left")
        row[0].set_ylabel("share of the gradient left")
        row[0].legend(loc="lower right")

    return _drawn(draw, 3.6 * len(panels), 3.0)


def on_its_own(svg: str) -> str:
    """Give a picture the colours that a page would, light or dark."""
    return re.sub(r"(<svg[^>]*>)", lambda start: start.group(1) + STYLE, svg, count=1)
