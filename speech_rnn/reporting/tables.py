"""What a person sees on a terminal: answers, and what was found as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from speech_rnn.evaluation.comparison import Comparison
from speech_rnn.evaluation.label_errors import Audit
from speech_rnn.evaluation.results import Evaluation, Group, Row
from speech_rnn.evaluation.robustness import Stress
from speech_rnn.metrics import ErrorRate, align_words
from speech_rnn.reporting.run_groups import FIGURES, Compared, Spread
from speech_rnn.training.search import Search

if TYPE_CHECKING:
    from speech_rnn.detection.det_curve import DetectionReport
    from speech_rnn.detection.matching import Detections
    from speech_rnn.detection.thresholds import Tuning
    from speech_rnn.training.language_model import LanguageModelResult

__all__ = [
    "print_audit",
    "print_comparison",
    "print_detection",
    "print_evaluation",
    "print_language_model",
    "print_run_groups",
    "print_search",
    "print_stress",
    "print_tuning",
]

MOST_MISTAKES = 10
"""Utterances that differ, which are shown."""

VERDICTS = {
    "KEPT": "kept on other audio",
    "UNSURE": "not kept on other audio, by no more than chance explains (95 %)",
    "BROKEN": "BROKEN on other audio: no thresholds are written",
}

MOST_LABELS = 16
"""A wider confusion matrix would not fit a terminal; the JSON has it whole."""


def print_evaluation(evaluation: Evaluation) -> None:
    """Print the tables, what differs where several words are said, and the figures."""
    for table in _tables(evaluation):
        _print(table)
    if evaluation.per_length:
        for row in evaluation.mistaken[:MOST_MISTAKES]:
            _print_mistake(row)
        if (more := len(evaluation.mistaken) - MOST_MISTAKES) > 0:
            print(f"… and {more} more that differ: hypotheses.jsonl has them all\n")
    for line in _figures(evaluation):
        print(line)
    _print_failures(evaluation.failures)


def _tables(evaluation: Evaluation) -> Iterator[Table]:
    if len(evaluation.per_speaker) > 1:
        yield _groups("by speaker", "speaker", evaluation.per_speaker)
    if len(evaluation.per_class) > 1:
        yield _classes(evaluation)
    if 1 < len(evaluation.labels) <= MOST_LABELS:
        yield _confusion(evaluation)
    if evaluation.per_length:
        yield _groups("by number of words", "words", evaluation.per_length)


def _figures(evaluation: Evaluation) -> Iterator[str]:
    share, figures = evaluation.accuracy, evaluation.word_figures
    yield (
        f"accuracy {_percent(share.value)} ({share.correct} of {share.total}; "
        f"95 % interval {_between(share.interval)})"
    )
    interval = f"; 95 % interval {_between(evaluation.words_interval)}"
    yield _edits("word", evaluation.words, interval)
    yield _edits("character", evaluation.characters)
    if evaluation.per_length:
        n_wrong = share.total - share.correct
        yield f"sentence error rate {_percent(1 - share.value)} ({n_wrong} of {share.total})"
    if figures.start_error is not None and figures.end_error is not None:
        yield (
            f"word times: half of {figures.n_timed} words start within "
            f"{_milliseconds(figures.start_error)} of the truth, and end within "
            f"{_milliseconds(figures.end_error)}"
        )
    if not evaluation.per_length and evaluation.reliability:
        error = _percent(evaluation.reliability.expected_calibration_error)
        yield f"confidences are off by {error} (expected calibration error, 15 bins)"
    if rejection := evaluation.rejection:
        alarms, right = rejection.others_answered, rejection.words_right
        area = rejection.evidence_auc
        yield (
            f"not a word: {alarms.correct} of {alarms.total} are answered with one; of the words, "
            f"{right.correct} of {right.total} are right"
            + ("" if area is None else f"; AUROC {area:.4f}")
        )
    if evaluation.per_length and figures.confidence_auc is not None:
        yield (
            "word confidence: a right word is above a wrong one in "
            f"{_percent(figures.confidence_auc, 1)} of all pairs "
            f"({figures.n_right} right, {figures.n_wrong} wrong)"
        )


def _edits(unit: str, rate: ErrorRate, interval: str = "") -> str:
    return (
        f"{unit} error rate {_percent(rate.rate)} ({rate.substitutions} substituted, "
        f"{rate.deletions} deleted, {rate.insertions} inserted of {rate.reference_length}"
        f"{interval})"
    )


def print_comparison(comparison: Comparison) -> None:
    """Print how the second of two recognisers differs from the first."""
    print(
        f"word error rates {_percent(comparison.first)} and {_percent(comparison.second)}: "
        f"difference {100 * comparison.difference:.2f} (95 % interval "
        f"{_between(comparison.interval)}), p = {comparison.p_value:.4f}"
    )


def _print_mistake(row: Row) -> None:
    """Print the reference above the answer, word above word, with * where there is none."""
    pairs = [(p.reference or "*", p.hypothesis or "*") for p in align_words(row.spoken, row.heard)]
    widths = [max(map(len, pair)) for pair in pairs]
    _print(row.utterance.audio, "dim")
    for name, side in (("said ", 0), ("heard", 1)):
        texts = [
            (pair[side] if side == 0 or pair[0] != pair[1] else "").ljust(width)
            for pair, width in zip(pairs, widths, strict=True)
        ]
        _print(f"  {name} {' '.join(texts)}".rstrip())


def print_audit(audit: Audit) -> None:
    """Print the most doubtful labels, and how many there are."""
    table = _table("most doubtful", "clip", "labelled", "heard as", "margin")
    for doubt in audit.doubts[:MOST_MISTAKES]:
        table.add_row(doubt.utterance.audio, doubt.given, doubt.likely, f"{doubt.margin:+.3f}")
    _print(table)
    print(f"{len(audit.disputed)} of {len(audit.doubts)} labels are disputed")
    _print_failures(audit.failures)
    if recall := audit.recall:
        print(
            f"planted: {recall.correct} of {recall.total} wrong labels are in the first 8 % of the "
            f"ranking ({_percent(recall.value, 1)}; 95 % interval {_between(recall.interval, 1)})"
        )


def print_stress(stress: Stress) -> None:
    """Print a line for each condition."""
    table = _table("under stress", "condition", "", "clips", "accuracy", "95 % interval", "WER")
    for condition, evaluation in stress.evaluations:
        share = evaluation.accuracy
        table.add_row(
            condition.name,
            "" if condition.value is None else str(condition.value),
            str(share.total),
            _percent(share.value),
            _between(share.interval, 1),
            _percent(evaluation.words.rate),
        )
    _print(table)


def print_detection(report: DetectionReport) -> None:
    """Print what was missed, what was accepted falsely, and how soon words were told."""
    table = _table("by word", "word", "said", "missed", "95 % interval", "false", "an hour")
    for word, counts in report.per_word.items():
        share, ends = _missed(counts)
        per_hour = f"{counts.false_per_hour:.2f}"
        table.add_row(word, str(counts.n_labels), share, ends, str(counts.n_false), per_hour)
    _print(table)
    print(_detections(report.total))
    if latency := report.latency:
        print(
            f"latency from the end of the word: median {_milliseconds(latency.median)} "
            f"({_between(latency.median_interval, 0, 1000)}), 95th percentile "
            f"{_milliseconds(latency.p95)} ({_between(latency.p95_interval, 0, 1000)})"
        )
    if report.starts and report.ends:
        off = (
            f"{_milliseconds(found.median)} in the median, {_milliseconds(found.p95)} at the 95th "
            "percentile"
            for found in (report.starts, report.ends)
        )
        print("starts off by {}; ends by {}".format(*off))
    for rate, point in report.at_rates.items():
        if point is None:
            print(f"at {rate:g} false accepts an hour: no threshold reaches that")
        else:
            share, ends = _missed(point.total)
            print(
                f"at {rate:g} false accepts an hour: {share} missed ({ends}), threshold "
                f"{point.threshold:.7g}"
            )
    for note in report.notes:
        print(f"note: {note}")


def print_tuning(tuning: Tuning) -> None:
    """Print the threshold of each word, what it promises, and what was measured on other audio."""
    columns = ("threshold", "missed in tuning", "missed in the test", "95 % interval", "false")
    table = _table(f"{tuning.promise}", "word", *columns)
    for word, threshold in tuning.spotting.thresholds.items():
        share, ends = _missed(tuning.measured[word])
        expected, _ = _missed(tuning.expected[word])
        n_false = str(tuning.measured[word].n_false)
        table.add_row(word, f"{threshold:.7g}", expected, share, ends, n_false)
    _print(table)
    print(f"tuning: {_detections(tuning.total_expected)}")
    print(f"test: {_detections(tuning.total)}")
    print(f"promise: {tuning.promise}: {VERDICTS[tuning.verdict.name]}")
    for note in (*tuning.doubts, *tuning.notes):
        print(f"note: {note}")


def _detections(found: Detections) -> str:
    share, ends = _missed(found)
    return (
        f"missed {found.n_missed} of {found.n_labels} ({share}; 95 % interval {ends}); "
        f"{found.n_false} false accepts in {found.hours:.2f} hours, {found.false_per_hour:.2f} an "
        f"hour (95 % interval {_between(found.false_interval, 2, 1)})"
    )


def _missed(found: Detections) -> tuple[str, str]:
    if found.miss_rate is None:
        return "–", ""
    return _percent(found.miss_rate), _between(found.miss_interval, 1)


def print_language_model(result: LanguageModelResult) -> None:
    """Print perplexities, what the recurrent model makes up, and where the files are."""
    for sample in result.samples:
        print(f"it says: {sample}")
    print(
        f"perplexity {result.perplexity:.3f}, that of the n-grams {result.ngram_perplexity:.3f} "
        f"({result.n_sentences['test']} sentences that neither has seen)"
    )
    print(f"n-grams: {result.ngram}")
    print(f"language model: {result.recurrent}")


def print_run_groups(found: Compared) -> None:
    """Print a line for each group of runs, and for each mean of folds."""
    table = _table("mean ± deviation over seeds", "", "seeds", "clips", *FIGURES, "accuracies")

    def add(name: str, seeds: Sequence[int], n_clips: int, figures: Mapping[str, Spread]) -> None:
        ends = _between((figures["accuracy"].low, figures["accuracy"].high))
        shown = (figures[figure].percent() for figure in FIGURES)
        table.add_row(name, str(len(seeds)), str(n_clips), *shown, ends)

    for group in found.groups:
        add(group.name, group.seeds, group.runs[0].n_clips, group.figures)
    for mean in found.folds:
        add(mean.name, mean.seeds, mean.n_clips, mean.figures)
    if found.groups:
        _print(table)
    if any(group.stress for group in found.groups):
        noise = _table(
            "accuracy under stress", "condition", *(group.name for group in found.groups)
        )
        columns = [group.stress for group in found.groups]
        for name in dict.fromkeys(name for column in columns for name in column):
            shown = (column[name].percent() if name in column else "–" for column in columns)
            noise.add_row(name, *shown)
        _print(noise)
    for group in found.groups:
        if group.command:
            print(f"{group.name}: {group.command} -m seed={','.join(map(str, group.seeds))}")
    for path, why in found.alone:
        print(f"in no group: {path}: {why}")


def print_search(search: Search) -> None:
    """Print every trial, the best first."""
    keys = list(search.best.values)
    last = [key.rpartition(".")[2] for key in keys]
    names = [name.replace("_", " ") for name in (last if len({*last}) == len(last) else keys)]
    table = _table("trials", "trial", search.objective.replace("_", " "), *names)
    for trial in search.trials:
        reached = "diverged" if trial.objective is None else f"{trial.objective:.4f}"
        table.add_row(str(trial.number), reached, *map(str, trial.values.values()))
    _print(table)


def _print(what: Table | str, style: str = "") -> None:
    """Print with texts as they are: `[noise]` is no markup, and `:dog:` no emoji."""
    console = Console(markup=False, emoji=False, highlight=False)
    console.print(what, style=style, soft_wrap=isinstance(what, str))


def _print_failures(rows: Sequence[Row]) -> None:
    for row in rows:
        _print(f"not read: {row.error}", "red")


def _percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f} %"


def _between(interval: tuple[float, float], digits: int = 2, scale: float = 100) -> str:
    low, high = interval
    return f"{scale * low:.{digits}f} to {scale * high:.{digits}f}"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    table.add_column(first, overflow="fold")
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


def _groups(title: str, first: str, groups: Mapping[Any, Group]) -> Table:
    table = _table(title, first, "clips", "accuracy", "95 % interval", "word errors")
    shown = list(groups.items())
    if len(shown) > MOST_LABELS:
        shown = sorted(shown, key=lambda item: item[1].accuracy.value)[:MOST_LABELS]
        table.caption = f"the {MOST_LABELS} lowest of {len(groups)}"
    for name, group in shown:
        table.add_row(
            str(name),
            str(group.accuracy.total),
            _percent(group.accuracy.value, 1),
            _between(group.accuracy.interval, 1),
            _percent(group.words.rate),
        )
    return table


def _confusion(evaluation: Evaluation) -> Table:
    table = _table("confusion (rows: said, columns: answered)", "", *evaluation.labels)
    for label, counts in zip(evaluation.labels, evaluation.confusion, strict=False):
        table.add_row(label, *(str(count) if count else "·" for count in counts))
    return table
