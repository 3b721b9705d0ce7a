"""Figures as names and rows of texts, for the terminal and for pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from speech_rnn.detection.matching import Detections
from speech_rnn.evaluation.results import Evaluation, Group
from speech_rnn.metrics import ClassFigures, ErrorRate
from speech_rnn.reporting.run_groups import FIGURES, Compared, Spread

Rows = list[list[str]]
"""Rows of a table, the first of which is the header; empty if there is nothing to show."""


class Figure(NamedTuple):
    """A figure with its name and a note, such as its interval."""

    name: str
    value: str
    note: str


def percent(share: float | None, digits: int = 2) -> str:
    """Return a share in per cent; a dash for None and values that are not finite."""
    return "–" if share is None or not isfinite(share) else f"{100 * share:.{digits}f} %"


def between(interval: Sequence[float], digits: int = 2, scale: float = 100) -> str:
    """Return the ends of an interval, in per cent unless another `scale` is given."""
    low, high = interval
    return f"{scale * low:.{digits}f} to {scale * high:.{digits}f}"


def figures(found: Evaluation) -> Iterator[Figure]:
    """Yield the figures of a whole evaluation; those of single words only for sequences."""
    share, words = found.accuracy, found.word_figures
    interval = f"95 % interval {between(share.interval)}"
    yield Figure("accuracy", percent(share.value), f"{share.correct} of {share.total}; {interval}")
    interval = f"; 95 % interval {between(found.words_interval)}"
    yield Figure("word error rate", percent(found.words.rate), _edits(found.words) + interval)
    yield Figure("character error rate", percent(found.characters.rate), _edits(found.characters))
    if found.per_length:
        n_wrong = f"{share.total - share.correct} of {share.total}"
        yield Figure("sentence error rate", percent(1 - share.value), n_wrong)
    if words.start_error is not None and words.end_error is not None:
        within = (
            f"median error of the start of {words.n_timed} words; of the end: "
            f"{1000 * words.end_error:.0f} ms"
        )
        yield Figure("word times", f"{1000 * words.start_error:.0f} ms", within)
    if found.reliability:
        error = percent(found.reliability.expected_calibration_error)
        yield Figure("calibration error", error, "15 bins of confidence")
    if rejection := found.rejection:
        alarms, right = rejection.others_answered, rejection.words_right
        area = rejection.evidence_auc
        note = (
            f"AUROC; {alarms.correct} of {alarms.total} other sounds are answered with a word; "
            f"{right.correct} of {right.total} words are right"
        )
        yield Figure("not a word", "–" if area is None else f"{area:.4f}", note)
    if found.per_length and words.confidence_auc is not None:
        pairs = "AUROC: pairs in which the right word has the higher confidence"
        counts = f"{words.n_right} right, {words.n_wrong} wrong"
        yield Figure("word confidence", percent(words.confidence_auc), f"{pairs}; {counts}")


def _edits(rate: ErrorRate) -> str:
    return (
        f"{rate.substitutions} substituted, {rate.deletions} deleted, {rate.insertions} inserted "
        f"of {rate.reference_length}"
    )


def classes(found: Sequence[ClassFigures], most: int) -> Rows:
    """Return the figures of classes, only of the worst if there are many; none for a single one."""
    if len(found) < 2:
        return []
    shown = found if len(found) <= most else sorted(found, key=lambda row: row.f1)[:most]
    return [
        ["class", "clips", "precision", "recall", "F1"],
        *(
            [row.label, str(row.support), *map(percent, (row.precision, row.recall, row.f1))]
            for row in shown
        ),
    ]


def groups(name: str, found: Mapping[Any, Group], most: int) -> Rows:
    """Return the figures of groups, only of the worst if there are many."""
    shown = list(found.items())
    if len(shown) > most:
        shown = sorted(shown, key=lambda item: item[1].accuracy.value)[:most]
    rows = [
        [
            str(key),
            str(share.total),
            percent(share.value),
            between(share.interval, 1),
            percent(rate),
        ]
        for key, share, rate in ((key, group.accuracy, group.words.rate) for key, group in shown)
    ]
    return [[name, "clips", "right", "95 % interval", "word errors"], *rows] if rows else []


def detections(per_word: Mapping[str, Detections]) -> Rows:
    """Return misses and false accepts of each word."""
    head = ["word", "spoken", "missed", "95 % interval", "false accepts", "an hour"]
    return [
        head,
        *(
            [
                word,
                str(found.n_labels),
                percent(found.miss_rate),
                between(found.miss_interval, 1) if found.n_labels else "",
                str(found.n_false),
                f"{found.false_per_hour:.2f}",
            ]
            for word, found in per_word.items()
        ),
    ]


def runs_of_groups(found: Compared) -> Rows:
    """Return each group of runs, and each mean over folds; the last two columns are of training."""

    def figures_of(figures: Mapping[str, Spread]) -> list[str]:
        accuracy = figures["accuracy"]
        shown = [figures[name].percent() for name in FIGURES]
        return [*shown, between((accuracy.low, accuracy.high))]

    if not found.groups:
        return []
    rows = [["", "seeds", "clips", *FIGURES, "accuracies", "parameters", "training"]]
    for group in found.groups:
        seconds = Spread.of([run.training_seconds for run in group.runs]).mean
        clips = sorted({run.n_clips for run in group.runs})
        n_clips = " to ".join(map(str, clips[:: max(1, len(clips) - 1)]))
        weights = f"{group.runs[0].n_parameters:,}"
        row = [group.name, _listed(group.seeds), n_clips, *figures_of(group.figures)]
        rows.append([*row, weights, f"{seconds / 60:.1f} min"])
    for mean in found.folds:
        row = [mean.name, _listed(mean.seeds), str(mean.n_clips), *figures_of(mean.figures)]
        rows.append([*row, "", ""])
    return rows


def _listed(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, seeds))


def by_name(found: Compared, title: str, of: str) -> Rows:
    """Return accuracy by name for ``speakers`` or ``stress``, with one column per group."""
    columns = [group.spread(of) for group in found.groups]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = [
        [name, *(column[name].percent() if name in column else "–" for column in columns)]
        for name in names
    ]
    return [[title, *(group.name for group in found.groups)], *rows] if rows else []
