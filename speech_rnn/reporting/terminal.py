"""Print answers and tables of results on the terminal."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from speech_rnn.evaluation.results import Group
from speech_rnn.metrics import align_words
from speech_rnn.reporting.rows import (
    Rows,
    between,
    by_name,
    classes,
    detections,
    figures,
    groups,
    percent,
    runs_of_groups,
)

if TYPE_CHECKING:
    from speech_rnn.detection.det_curve import DetectionReport
    from speech_rnn.detection.matching import Detections
    from speech_rnn.detection.thresholds import Tuning
    from speech_rnn.evaluation.comparison import Comparison
    from speech_rnn.evaluation.label_errors import Audit
    from speech_rnn.evaluation.results import Evaluation, Row
    from speech_rnn.evaluation.robustness import Condition, Stress
    from speech_rnn.reporting.run_groups import Compared
    from speech_rnn.training.language_model import LanguageModelResult
    from speech_rnn.training.search import Search

MOST_MISTAKES = 10
"""Number of wrong utterances that are printed."""

VERDICTS = {
    "KEPT": "kept on other audio",
    "UNSURE": "not kept on other audio, by no more than chance explains (95 %)",
    "BROKEN": "BROKEN on other audio: no thresholds are written",
}

MOST_ROWS = 16
"""Largest confusion matrix that fits a terminal; the JSON has it in full."""


def print_evaluation(evaluation: Evaluation) -> None:
    """Print tables, wrong utterances of several words, and the figures."""
    speakers, labels = evaluation.per_speaker, evaluation.labels
    if len(speakers) > 1:
        _show(f"by speaker{_least(speakers)}", groups("speaker", speakers, MOST_ROWS))
    by_class = evaluation.per_class
    _show(f"by class{_least(by_class)}", classes(by_class, MOST_ROWS))
    if 1 < len(labels) <= MOST_ROWS:
        counts = [
            [label, *(str(count) if count else "·" for count in row)]
            for label, row in zip(labels, evaluation.confusion, strict=False)
        ]
        _show("confusion (rows: spoken, columns: recognised)", [["", *labels], *counts])
    _show("by number of words", groups("words", evaluation.per_length, MOST_ROWS))
    if evaluation.per_length:
        for row in evaluation.mistaken[:MOST_MISTAKES]:
            _print_mistake(row)
        if (more := len(evaluation.mistaken) - MOST_MISTAKES) > 0:
            print(f"… and {more} more that differ: hypotheses.jsonl has them all\n")
    for name, value, note in figures(evaluation):
        if not (evaluation.per_length and name == "calibration error"):
            print(f"{name} {value} ({note})")
    _print_failures(evaluation.failures)


def print_comparison(comparison: Comparison) -> None:
    """Print the difference between two recognisers."""
    print(
        f"word error rates {percent(comparison.first)} and {percent(comparison.second)}: "
        f"difference {100 * comparison.difference:.2f} (95 % interval "
        f"{between(comparison.interval)}), p = {comparison.p_value:.4f}"
    )


def _print_mistake(row: Row) -> None:
    """Print reference and answer word by word, with * for missing words."""
    pairs = [
        (p.reference or "*", p.hypothesis or "*") for p in align_words(row.spoken, row.recognised)
    ]
    widths = [max(map(len, pair)) for pair in pairs]
    _print(row.utterance.audio, "dim")
    for name, side in (("spoken    ", 0), ("recognised", 1)):
        texts = [
            (pair[side] if side == 0 or pair[0] != pair[1] else "").ljust(width)
            for pair, width in zip(pairs, widths, strict=True)
        ]
        _print(f"  {name} {' '.join(texts)}".rstrip())


def print_audit(audit: Audit) -> None:
    """Print the most doubtful labels, and their number."""
    head = ["clip", "label", "recognised", "margin"]
    most = audit.doubts[:MOST_MISTAKES]
    rows = [[row.utterance.audio, row.given, row.likely, f"{row.margin:+.3f}"] for row in most]
    _show("most doubtful", [head, *rows])
    print(f"{len(audit.disputed)} of {len(audit.doubts)} labels are disputed")
    _print_failures(audit.failures)
    if recall := audit.recall:
        print(
            f"planted: {recall.correct} of {recall.total} wrong labels are in the first 8 % of the "
            f"ranking ({percent(recall.value, 1)}; 95 % interval {between(recall.interval, 1)})"
        )


def print_stress(stress: Stress) -> None:
    """Print one line per condition, with the worst kinds of noise first, and the means."""
    noise, other = (
        {
            _condition(condition): Group(evaluation.accuracy, evaluation.words)
            for condition, evaluation in stress.evaluations
            if bool(condition.kind) == is_noise
        }
        for is_noise in (True, False)
    )
    _show("in noise, the worst kind first", groups("noise", noise, len(noise)))
    if means := stress.mean_over_kinds:
        text = ", ".join(f"{percent(share)} at {snr_db:g} dB" for snr_db, share in means.items())
        print(f"mean over kinds of noise: {text}\n")
    _show("in other conditions", groups("condition", other, len(other)))


def _condition(condition: Condition) -> str:
    if condition.kind:
        return f"{condition.kind}, {condition.value:g} dB"
    return condition.name if condition.value is None else f"{condition.name} {condition.value}"


def print_detection(report: DetectionReport) -> None:
    """Print misses, false accepts, and latency."""
    _show("by word", detections(report.per_word))
    print(_counts(report.total))
    if latency := report.latency:
        print(
            f"latency from the end of the word: median {_milliseconds(latency.median)} "
            f"({between(latency.median_interval, 0, 1000)}), 95th percentile "
            f"{_milliseconds(latency.p95)} ({between(latency.p95_interval, 0, 1000)})"
        )
    if report.starts and report.ends:
        off = (
            f"{_milliseconds(found.median)} in the median, {_milliseconds(found.p95)} at the 95th "
            "percentile"
            for found in (report.starts, report.ends)
        )
        print("starts off by {}; ends by {}".format(*off))
    for rate, point in report.at_rates.items():
        text = "no threshold reaches that"
        if point is not None:
            text = f"{_missed(point.total)}, threshold {point.threshold:.7g}"
        print(f"{rate:g} false accepts an hour: {text}")
    for note in report.notes:
        print(f"note: {note}")


def print_tuning(tuning: Tuning) -> None:
    """Print the thresholds, the promise, and the figures on other audio."""
    head, *rows = detections(tuning.measured)
    head[1:1] = ["threshold", "missed in tuning"]
    for row in rows:
        word = row[0]
        expected = percent(tuning.expected[word].miss_rate)
        row[1:1] = [f"{tuning.spotting.thresholds[word]:.7g}", expected]
    _show(str(tuning.promise), [head, *rows])
    print(f"tuning: {_counts(tuning.total_expected)}")
    print(f"test: {_counts(tuning.total)}")
    print(f"promise: {tuning.promise}: {VERDICTS[tuning.verdict.name]}")
    for note in (*tuning.doubts, *tuning.notes):
        print(f"note: {note}")


def _counts(found: Detections) -> str:
    return (
        f"missed {found.n_missed} of {found.n_labels} ({_missed(found)}); "
        f"{found.n_false} false accepts in {found.hours:.2f} hours, {found.false_per_hour:.2f} an "
        f"hour (95 % interval {between(found.false_interval, 2, 1)})"
    )


def _missed(found: Detections) -> str:
    return f"{percent(found.miss_rate)} missed; 95 % interval {between(found.miss_interval, 1)}"


def print_language_model(result: LanguageModelResult) -> None:
    """Print perplexities, sampled sentences, and the paths of the files."""
    for sample in result.samples:
        print(f"sample: {sample}")
    print(
        f"perplexity {result.perplexity:.3f}, n-grams {result.ngram_perplexity:.3f} "
        f"({result.n_sentences['test']} unseen sentences)"
    )
    print(f"n-grams: {result.ngram}")
    print(f"language model: {result.recurrent}")


def print_run_groups(found: Compared) -> None:
    """Print a line for each group of runs, and for each mean over folds."""
    _show("mean ± deviation over seeds", [row[:-2] for row in runs_of_groups(found)])
    _show("accuracy by condition", by_name(found, "condition", "stress"))
    for group in found.groups:
        if group.command:
            print(f"{group.name}: {group.command} -m seed={','.join(map(str, group.seeds))}")
    for path, why in found.alone:
        print(f"not grouped: {path}: {why}")


def print_search(search: Search) -> None:
    """Print every trial, the best first."""
    keys = list(search.best.values)
    last = [key.rpartition(".")[2] for key in keys]
    names = [name.replace("_", " ") for name in (last if len({*last}) == len(last) else keys)]
    rows = [["trial", search.objective.replace("_", " "), *names]]
    for trial in search.trials:
        reached = "diverged" if trial.objective is None else f"{trial.objective:.4f}"
        rows.append([str(trial.number), reached, *map(str, trial.values.values())])
    _show("trials", rows)


def _print(what: Table | str, style: str = "") -> None:
    """Print texts literally: `[noise]` is not markup, and `:dog:` is not an emoji."""
    console = Console(markup=False, emoji=False, highlight=False)
    console.print(what, style=style, soft_wrap=isinstance(what, str))


def _print_failures(rows: Sequence[Row]) -> None:
    for row in rows:
        _print(f"not read: {row.error}", "red")


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


def _least(found: Sized) -> str:
    return f" (the {MOST_ROWS} lowest of {len(found)})" if len(found) > MOST_ROWS else ""


def _show(title: str, rows: Rows) -> None:
    """Print rows, of which the first is the header; nothing if there are none."""
    if not rows:
        return
    table = Table(title=title, title_justify="left", box=None)
    first, *others = rows[0]
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right")
    for row in rows[1:]:
        table.add_row(*row)
    _print(table)
