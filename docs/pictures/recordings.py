"""Draw the table of docs/howto/little_data.md (needs the extra [report]).

python docs/pictures/recordings.py
"""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib.pyplot as plt

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "howto/little_data.md"
LINES = {
    "custom, six phrases": ("C0", "-", "o"),
    "keywords, six phrases": ("C1", "-", "s"),
    "keywords, eight commands": ("C2", "-", "^"),
    "keywords without a front end, eight commands": ("C2", ":", "v"),
}
"""For each column of the table: its name in the legend, and its colour, line and marker."""
PLACES = {"none": 0.4, **{str(number): float(number) for number in (1, 3, 10, 30, 100, 300)}}
"""Where a number of recordings stands on the axis; a logarithmic one has no 0."""
CELL = re.compile(r"([\d.]+) % \(([\d.]+) to ([\d.]+)\)")


def table() -> list[list[str]]:
    """Return the cells of the tables of the page, row by row."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def main() -> None:
    """Write recordings.svg: the share of right answers, with its interval, of each column."""
    plt.rcParams.update({"font.size": 11, "svg.hashsalt": "recordings"})
    figure, axes = plt.subplots(figsize=(7.2, 4.2), layout="constrained")
    rows = table()
    for column, (label, (colour, line, marker)) in enumerate(LINES.items(), start=1):
        found = [
            (PLACES[row[0]], *map(float, cell.groups()))
            for row in rows
            if row[0] in PLACES and (cell := CELL.fullmatch(row[column]))
        ]
        places, right, low, high = zip(*found, strict=True)
        axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(places, right, color=colour, linestyle=line, marker=marker, label=label)
    axes.set(xscale="log", xlabel="recordings of each word", ylabel="right, in %", ylim=(35, 101))
    axes.set_xticks([*PLACES.values()], [*PLACES])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(FOLDER / "recordings.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
