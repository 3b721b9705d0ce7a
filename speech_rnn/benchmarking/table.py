"""What a person sees of a benchmark on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from speech_rnn.benchmarking.results import Benchmark, Section
from speech_rnn.benchmarking.timing import Times, told

__all__ = ["print_machine", "print_section", "table_of"]


def print_section(section: Section) -> None:
    """Print a section as a table."""
    console = Console(markup=False, emoji=False)  # texts are printed as they are
    console.print(table_of(section))
    console.print()


def print_machine(benchmark: Benchmark) -> None:
    """Print where a benchmark ran, and with what."""
    packages = ", ".join(f"{name} {number}" for name, number in benchmark.versions.items())
    print(f"{benchmark.processor}, {benchmark.n_cores} cores; {packages}")


def table_of(section: Section) -> Table:
    """Return a section as a table: medians, quartiles, ratios to the first row, and notes."""
    threads = "one thread" if section.n_threads == 1 else f"{section.n_threads} threads"
    table = Table(title=f"{section.title} ({threads})", title_justify="left", box=None)
    table.add_column("", overflow="fold")
    names = list(dict.fromkeys(name for row in section.rows for name in row.figures))
    if section.growths:
        for column in ("sizes", "medians", "exponent"):
            table.add_column(column, justify="right")
        for growth in section.growths:
            sizes = f"{growth.sizes[0]:,g} to {growth.sizes[-1]:,g}"
            ends = f"{told(growth.seconds[0].median)} to {told(growth.seconds[-1].median)}"
            table.add_row(growth.name, sizes, ends, f"{growth.exponent:.2f}")
        return table
    for column in ("median", "quartiles", "times the first", *names, ""):
        table.add_column(column, justify="right" if column else "left", overflow="fold")
    for row in section.rows:
        ratio = section.times_first(row)
        figures = [f"{row.figures[name]:,.1f}" if name in row.figures else "" for name in names]
        table.add_row(
            row.name,
            told(row.seconds.median) if row.seconds else "–",
            _spread(row.seconds) if row.seconds else "",
            f"{ratio:.2f}" if ratio is not None else "",
            *figures,
            row.note,
        )
    return table


def _spread(times: Times) -> str:
    return " – ".join(map(told, times.quartiles)) if len(times.seconds) > 1 else ""
