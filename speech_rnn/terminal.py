"""What a person sees on a terminal: answers, an evaluation as tables, progress while it lasts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track
from rich.table import Table

from speech_rnn.evaluation import Evaluation
from speech_rnn.recognizer import FileResult

__all__ = ["print_evaluation", "print_result", "tracked"]

T = TypeVar("T")

MOST_LABELS = 16
"""A wider confusion matrix would not fit a terminal; the JSON has it whole."""


def print_result(result: FileResult, *, as_json: bool, with_name: bool) -> None:
    """Print what was heard in a file: its text, each of several answers with its confidence."""
    if as_json:
        print(json.dumps(result.to_dict(), ensure_ascii=False), flush=True)
    elif result.hypothesis is None:
        print(f"error: {result.error}", file=sys.stderr)
    else:
        answers = (result.hypothesis, *result.hypothesis.alternatives)
        name = f"{result.file}: " if with_name else ""
        for answer in answers:
            score = f"{answer.confidence:.4f} " if len(answers) > 1 else ""
            print(f"{name}{score}{answer.text}", flush=True)


def print_evaluation(evaluation: Evaluation, console: Console | None = None) -> None:
    """Print accuracy, error rates and the tables by class, speaker and confusion."""
    console = console or Console()
    share, words, letters = evaluation.accuracy, evaluation.words, evaluation.characters
    low, high = share.interval
    if len(evaluation.per_speaker) > 1:
        console.print(_speakers(evaluation))
    if len(evaluation.per_class) > 1:
        console.print(_classes(evaluation))
    if 1 < len(evaluation.labels) <= MOST_LABELS:
        console.print(_confusion(evaluation))
    console.print(
        f"accuracy {100 * share.value:.2f} % ({share.correct} of {share.total}; "
        f"95 % interval {100 * low:.2f} to {100 * high:.2f})",
        highlight=False,
    )
    low, high = evaluation.words_interval
    console.print(
        f"word error rate {100 * words.rate:.2f} % ({words.substitutions} substituted, "
        f"{words.deletions} deleted, {words.insertions} inserted of {words.reference_length}; "
        f"95 % interval {100 * low:.2f} to {100 * high:.2f})",
        highlight=False,
    )
    console.print(
        f"character error rate {100 * letters.rate:.2f} % ({letters.substitutions} substituted, "
        f"{letters.deletions} deleted, {letters.insertions} inserted of "
        f"{letters.reference_length})",
        highlight=False,
    )
    for row in evaluation.failures:
        console.print(f"not read: {row.error}", style="red", highlight=False, markup=False)


def tracked(items: Iterable[T], total: int) -> Iterable[T]:
    """Pass items on, with a progress bar on stderr where that is a terminal."""
    console = Console(stderr=True)
    return track(items, "", total, console=console, disable=not console.is_terminal, transient=True)


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _classes(evaluation: Evaluation) -> Table:
    table = _table("by class (%)", "class", "clips", "precision", "recall", "F1")
    for figures in evaluation.per_class:
        shares = (figures.precision, figures.recall, figures.f1)
        table.add_row(
            figures.label, str(figures.support), *(f"{100 * value:.1f}" for value in shares)
        )
    return table


def _speakers(evaluation: Evaluation) -> Table:
    table = _table("by speaker", "speaker", "clips", "accuracy", "95 % interval")
    worst_first = sorted(evaluation.per_speaker.items(), key=lambda item: item[1].value)
    for speaker, share in worst_first[:MOST_LABELS]:
        low, high = share.interval
        table.add_row(
            speaker,
            str(share.total),
            f"{100 * share.value:.1f} %",
            f"{100 * low:.1f} to {100 * high:.1f}",
        )
    if len(worst_first) > MOST_LABELS:
        table.caption = f"the {MOST_LABELS} lowest of {len(worst_first)} speakers"
    return table


def _confusion(evaluation: Evaluation) -> Table:
    table = _table("confusion (rows: said, columns: answered)", "", *evaluation.labels)
    for label, counts in zip(evaluation.labels, evaluation.confusion, strict=False):
        table.add_row(label, *(str(count) if count else "·" for count in counts))
    return table
