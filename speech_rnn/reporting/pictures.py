"""Pictures as SVG with the colours of the page: ink, faint and accents."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.detection.matching import Detections, DetPoint
from speech_rnn.errors import MissingExtraError
from speech_rnn.metrics import Reliability, RiskCoverage
from speech_rnn.reporting.run_folder import Curve, Stressed

Span = tuple[str, float, float]
"""A word with its start and end in seconds."""

# Unusual colours that are replaced by those of the page, light or dark.
INK, FAINT, FIRST, SECOND, PAPER = "#010203", "#040506", "#070809", "#0a0b0c", "#0d0e0f"
VARIABLES = {INK: "--ink", FAINT: "--faint", FIRST: "--first", SECOND: "--second", PAPER: "--card"}
MOST_NUMBERED = 12
"""Largest number of classes for which counts are written into a confusion matrix."""


def _drawn(draw: Callable[[Any], None], description: str, width: float, height: float) -> str:
    """Return a figure of this size in inches as SVG, with a description for screen readers.

    Ids of its parts are made unique, because several pictures share a page.
    """
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
        "svg.hashsalt": description,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.patch.set_alpha(0.0)
        draw(figure)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    head = f'role="img" aria-label="{escape(description)}"'
    svg = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', lambda _: head, svg, count=1)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", svg)  # figure_1, axes_1 occur in every picture
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", svg)
    svg = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg


def curves(of: Mapping[str, Curve]) -> dict[str, str]:
    """Draw loss, error rate, learning rate and gradient norm over epochs, if they were logged."""
    panels = {
        "loss": (("train/loss", "validation/loss"), "log"),
        "validation error rate": (("validation/error_rate",), "linear"),
        "learning rate": (("lr-AdamW/pg1", "lr-AdamW"), "linear"),
        "gradient norm": (("train/gradient_norm",), "log"),
    }
    shown = {
        title: ({name: of[name] for name in names if of.get(name)}, scale)
        for title, (names, scale) in panels.items()
    }
    return {title: _curve(title, *panel) for title, panel in shown.items() if panel[0]}


def _curve(title: str, lines: Mapping[str, Curve], scale: str) -> str:
    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for colour, (name, curve) in zip((FIRST, SECOND), lines.items(), strict=False):
            epochs, values = zip(*curve, strict=True)
            style = "o" if len(epochs) == 1 else "-"  # a line needs two points
            axes.plot(
                epochs,
                values,
                style,
                color=colour,
                linewidth=1.4,
                markersize=4,
                label=name.split("/")[0],
            )
        positive = all(value > 0 for curve in lines.values() for _, value in curve)
        axes.set_yscale(scale if positive else "linear")
        axes.set_xlabel("epoch")
        if len(lines) > 1:
            axes.legend()

    ends = ", ".join(f"{name} ends at {curve[-1][1]:.4g}" for name, curve in lines.items())
    return _drawn(draw, f"{title} over epochs: {ends}", 3.6, 2.1)


def confusion(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Draw the number of each answer (a column) for each reference (a row)."""
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
                axes.text(column, row, text, ha="center", va="center", fontsize=7, color=ink)
        axes.set_xlim(-0.5, table.shape[1] - 0.5)
        axes.set_ylim(table.shape[0] - 0.5, -0.5)
        axes.set_xticks(range(table.shape[1]), _plain(labels[: table.shape[1]]), rotation=90)
        axes.set_yticks(range(table.shape[0]), _plain(labels[: table.shape[0]]))
        axes.set_xlabel("recognised")
        axes.set_ylabel("spoken")
        axes.tick_params(length=0)

    side = 1.5 + 0.27 * len(labels)
    description = (
        f"Confusion matrix of {len(labels)} classes: its figures are in the table by class"
    )
    return _drawn(draw, description, max(3.2, min(9.0, side)), min(8.4, max(2.6, side - 0.4)))


def _rectangle(*box: Any, **style: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(*box, linewidth=0, **style)


def _plain(labels: Sequence[str]) -> list[str]:
    """Escape labels so that matplotlib does not read them as formulas."""
    return [label.replace("$", r"\$") for label in labels]


def reliability(figures: Reliability) -> str:
    """Draw accuracy over confidence; on the diagonal they are equal."""

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

    error = 100 * figures.expected_calibration_error
    description = f"Accuracy over confidence: {error:.2f} % apart, on average"
    return _drawn(draw, description, 3.6, 2.8)


def risk(figures: RiskCoverage) -> str:
    """Draw the share of wrong answers over the share of utterances that are answered."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        values = [100 * value for value in figures.risk]
        axes.plot([100 * value for value in figures.coverage], values, color=FIRST, linewidth=1.6)
        axes.set(xlabel="answers that are kept (%)", ylabel="wrong (%)", xlim=(0, 100))
        axes.set_ylim(0, max(1.0, 1.1 * max(values, default=0)))

    description = (
        f"Share of wrong answers over the share that is answered: {100 * figures.area:.2f} %"
    )
    return _drawn(draw, f"{description} on average", 3.6, 2.8)


def sweep(rows: Sequence[Stressed], name: str, clean: float | None = None) -> str:
    """Draw accuracy, with its interval, under each condition; `clean` is a horizontal line."""
    shares = np.array([100 * row.accuracy.value for row in rows])
    low, high = 100 * np.array([row.accuracy.interval for row in rows]).T

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        places = range(len(rows))
        joined = all(isinstance(row.value, (int, float)) for row in rows)  # not rooms
        bars = {"color": FIRST, "ecolor": FAINT, "capsize": 3, "marker": "o"}
        bars |= {"linestyle": "-" if joined else "none", "linewidth": 1.4, "elinewidth": 1.4}
        axes.errorbar(places, shares, np.abs([shares - low, high - shares]), **bars)
        if clean is not None:
            axes.axhline(100 * clean, color=FAINT, linewidth=1, linestyle=":")
        slope = {} if joined else {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(places, _plain([_short(row.value) for row in rows]), **slope)
        axes.set_ylabel("accuracy (%)")  # the heading names the condition
        axes.set_ylim(min([*low, 90]) - 2, 101)

    ends = ", ".join(f"{row.value}: {100 * row.accuracy.value:.1f} %" for row in rows)
    return _drawn(draw, f"Accuracy under {name}: {ends}", 3.6, 2.6)


def det(curve: Sequence[DetPoint], total: Detections) -> str:
    """Draw misses over false accepts per hour: a dot per threshold, and the recogniser's own.

    Both axes are logarithmic. A rate of 0 is drawn at the edge, as half an error in all sound.
    """
    least_false = 0.5 / total.hours
    least_missed = 50 / max(1, total.n_labels)  # in per cent

    def place(found: Detections) -> tuple[float, float]:
        missed = 100 * (found.miss_rate or 0.0)
        return max(found.false_per_hour, least_false), max(missed, least_missed)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        across, up = zip(*(place(point.total) for point in curve), strict=True)
        axes.plot(across, up, ".-", color=FIRST, linewidth=1.4, markersize=4)
        x, y = place(total)
        false = np.clip(total.false_interval, least_false, None)
        missed = np.clip(100 * np.array(total.miss_interval), least_missed, None)
        bars = {"ecolor": FAINT, "color": SECOND, "marker": "o", "capsize": 3, "zorder": 3}
        axes.errorbar(x, y, np.abs(missed - y)[:, None], np.abs(false - x)[:, None], **bars)
        axes.set(xscale="log", yscale="log", xlabel="false accepts an hour", ylabel="missed (%)")

    description = (
        f"Misses over false accepts: {100 * (total.miss_rate or 0):.1f} % missed at "
        f"{total.false_per_hour:.2f} false accepts an hour"
    )
    return _drawn(draw, description, 3.6, 2.8)


def spreads(groups: Mapping[str, Sequence[float]]) -> str:
    """Draw the accuracies (%) of each group as dots, with their mean as a line, one row each."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for place, values in enumerate(groups.values()):
            axes.plot(values, [place] * len(values), "o", color=FIRST, markersize=5, alpha=0.7)
            mean = sum(values) / len(values)
            axes.plot([mean, mean], [place - 0.3, place + 0.3], color=SECOND, linewidth=1.6)
        axes.set_yticks(range(len(groups)), _plain([_short(name, 30) for name in groups]))
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("accuracy (%)")

    description = ", ".join(
        f"{name}: {', '.join(f'{value:.1f}' for value in values)}"
        for name, values in groups.items()
    )
    return _drawn(draw, f"Accuracy of each seed (%): {description}", 6.4, 0.8 + 0.32 * len(groups))


def _short(value: Any, width: int = 18) -> str:
    """Shorten the value of a condition."""
    if isinstance(value, (int, float)):
        return f"{value:g}"
    return textwrap.shorten(str(value).replace("_", " "), width, placeholder="…")


def clip(
    samples: NDArray[np.float32],
    sample_rate: int,
    frames: NDArray[np.float32],
    attention: NDArray[np.float32] | None,
    words: Sequence[Sequence[Span]],
    description: str,
) -> str:
    """Draw waveform and log-mel frames of a clip, with attention and words along them.

    Parameters
    ----------
    samples : (N,).
    frames : (T, D).
        attention : (n_heads, T'), over the whole clip.
    words : rows of words with their times: spoken words above recognised ones.
    """
    seconds = len(samples) / sample_rate

    def draw(figure: Any) -> None:
        heights = [1.0, 2.0] + [1.0] * (attention is not None) + [0.45 * len(words)] * bool(words)
        waveform, mel, *more = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        step = max(1, len(samples) // 300)
        loud = np.abs(samples[: len(samples) // step * step]).reshape(-1, step).max(axis=1)
        time = np.linspace(0, seconds, len(loud))
        waveform.fill_between(time, -loud, loud, color=FIRST, linewidth=0)
        # librosa.display could draw this, but needs 265 MB (llvmlite, scikit-learn, numba).
        mel.imshow(frames.T, origin="lower", aspect="auto", extent=(0, seconds, 0, 1), cmap="magma")
        mel.set_ylabel("mel")
        if attention is not None:
            for weights in attention:
                times = np.linspace(0, seconds, len(weights))
                more[0].plot(times, weights, color=SECOND, linewidth=1, alpha=0.8)
            more[0].set_ylabel("attention")
        for axes in (waveform, mel, *more):
            axes.set_yticks([])
        if words:
            _spell(more[-1], words, seconds)
        more = [mel, *more]
        more[-1].set(xlabel="seconds", xlim=(0, seconds))

    return _drawn(draw, description, 3.6, 2.6 if len(words) < 2 else 3.0)


def _spell(axes: Any, rows: Sequence[Sequence[Span]], seconds: float) -> None:
    """Write words at their times, row by row."""
    names = ["spoken", "recognised"][-len(rows) :]
    for place, (words, colour) in enumerate(zip(rows, (FIRST, SECOND)[-len(rows) :], strict=True)):
        for word, start, end in words:
            if start >= seconds:
                continue
            box = (start, place - 0.45), max(end - start, 0.02), 0.9
            axes.add_patch(_rectangle(*box, facecolor=colour, alpha=0.25))
            middle = (start + min(end, seconds)) / 2
            (text,) = _plain([word])
            axes.text(middle, place, text, ha="center", va="center", fontsize=7, color=INK)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
