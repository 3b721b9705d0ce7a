"""A run as one HTML file: it needs no other, and no network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from speech_rnn.detection.det_curve import DetectionReport
from speech_rnn.evaluation.results import Evaluation, Group
from speech_rnn.metrics import ClassFigures, reliability, risk_coverage
from speech_rnn.recognizer import Recognizer
from speech_rnn.reporting import pictures
from speech_rnn.reporting.card import model_card
from speech_rnn.reporting.mistakes import Mistake, mistakes
from speech_rnn.reporting.run_folder import RunFolder, Stressed
from speech_rnn.reporting.templates import write_html

__all__ = ["write_report"]

MOST_LABELS = 40
MANY_LABELS = 14
"""A confusion matrix of more has a row of its own, and scrolls on a phone."""
MOST_ROWS = 40

CONDITIONS = {
    "snr_db": "noise: signal-to-noise ratio (dB)",
    "gain_db": "level (dB)",
    "speed": "speed",
    "band_hz": "band (Hz)",
    "room": "room",
}


def write_report(
    folder: str | Path, path: str | Path | None = None, *, recognizer: Recognizer | None = None
) -> Path:
    """Show what a training has reached, as ``report.html`` in its folder unless `path` says else.

    The Recognizer is read from the folder unless it is given.

    Raises
    ------
    MissingExtraError
        without matplotlib and jinja2.
    ConfigurationError
        if the folder is none of a training.
    DataError, ModelError
        if something in it cannot be read, or the page not be written.
    """
    run = RunFolder.load(folder, recognizer)
    card = model_card(run)
    page = Page(
        card.title,
        card.subtitle,
        card.rows,
        card.command,
        run.metrics.get("config", ""),
        pictures.curves(run.curves),
        _sweeps(run.stress),
        _listening(run.detection) if run.detection else None,
        _answers(run, run.evaluation) if run.evaluation else None,
    )
    return write_html("page.html", vars(page), Path(path) if path else run.path / "report.html")


Table = list[list[str]]
"""Rows of cells, the first of them the head."""


class Figure(NamedTuple):
    """A figure with its name and what belongs to it, such as its interval."""

    name: str
    value: str
    note: str


class Picture(NamedTuple):
    """An SVG with its name."""

    name: str
    svg: str


@dataclass(frozen=True)
class Listening:
    """What detection in hours of sound has shown."""

    svg: str
    note: str
    latency: str
    words: Table


@dataclass(frozen=True)
class Answers:
    """What the answers to a test split have shown; an empty text or table is left out."""

    figures: list[Figure]
    confusion: str
    many: bool
    classes: Table
    classes_note: str
    speakers: Table
    speakers_note: str
    sizes: Table
    reliability: str
    reliability_note: str
    risk: str
    risk_note: str
    errors: list[Mistake]
    errors_note: str


@dataclass(frozen=True)
class Page:
    """The places of ``page.html``."""

    title: str
    subtitle: str
    card: tuple[tuple[str, str], ...]
    command: str
    configuration: str
    curves: dict[str, str]
    sweeps: list[Picture]
    listening: Listening | None
    answers: Answers | None


def _answers(run: RunFolder, found: Evaluation) -> Answers:
    said = [row.hypothesis.confidence for row in found.rows if row.hypothesis]
    right = [row.is_correct for row in found.rows if row.hypothesis]
    sure, risk = reliability(said, right), risk_coverage(said, right)
    sequences = run.recognizer.model.head == "ctc"
    n_wrong = found.accuracy.total - found.accuracy.correct
    unread = f"; {len(found.failures)} more could not be read." if found.failures else "."
    return Answers(
        figures=_figures(found, sequences),
        confusion=pictures.confusion(found.labels, found.confusion)
        if 1 < len(found.labels) <= MOST_LABELS
        else "",
        many=len(found.labels) > MANY_LABELS,
        classes=_classes(found.per_class),
        classes_note=_shown(found.per_class),
        speakers=_groups("speaker", found.per_speaker, sequences),
        speakers_note=_shown(found.per_speaker),
        sizes=_groups("words", found.per_length, sequences),
        reliability=pictures.reliability(sure),
        reliability_note=f"expected calibration error {_percent(sure.expected_calibration_error)} "
        f"({len(sure.counts)} bins); darker bars hold more answers",
        risk=pictures.risk(risk),
        risk_note=f"area under it: {_percent(risk.area)} wrong on average",
        errors=mistakes(run),
        errors_note=f"{n_wrong} of {len(said)} are wrong{unread}",
    )


def _percent(value: float | None) -> str:
    return "–" if value is None or not isfinite(value) else f"{100 * value:.2f}\u00a0%"


def _sweeps(rows: Sequence[Stressed]) -> list[Picture]:
    """Draw accuracy under each kind of stress, in the order of `CONDITIONS`."""
    by_name: dict[str, list[Stressed]] = defaultdict(list)
    for row in rows:
        by_name[row.condition].append(row)
    clean = next((row.accuracy.value for row in by_name["clean"]), None)
    return [
        Picture(title, pictures.sweep(by_name[name], title, clean))
        for name, title in CONDITIONS.items()
        if by_name[name]
    ]


def _listening(found: DetectionReport) -> Listening:
    """Show what was missed and falsely accepted in hours of sound."""
    total, latency = found.total, found.latency
    low, high = total.false_interval
    note = (
        f"by its own thresholds, the dot with bars, {_percent(total.miss_rate)} of "
        f"{total.n_labels} are missed (95 % interval {_between(total.miss_interval)}), "
        f"{total.n_false} false accepts come in {total.hours:.2f} hours "
        f"(95 % interval {low:.2f} to {high:.2f} an hour)"
    )
    told = latency and (
        f"told {1000 * latency.median:.0f} ms after the end of the word (median), "
        f"{1000 * latency.p95:.0f} ms at the 95th percentile"
    )
    rows = [
        [
            word,
            str(counts.n_labels),
            _percent(counts.miss_rate),
            _between(counts.miss_interval),
            f"{counts.false_per_hour:.2f}",
        ]
        for word, counts in found.per_word.items()
    ]
    head = ["word", "said", "missed", "95 % interval", "false an hour"]
    return Listening(pictures.det(found.curve, total), note, told or "", [head, *rows])


def _figures(found: Evaluation, sequences: bool) -> list[Figure]:
    share, words, times = found.accuracy, found.words, found.word_figures
    rows = []
    if sequences:
        edits = (
            f"{words.substitutions} substituted, {words.deletions} deleted, "
            f"{words.insertions} inserted of {words.reference_length}; "
            f"95 % interval {_between(found.words_interval)}"
        )
        rows.append(Figure("word error rate", _percent(words.rate), edits))
        if times.start_error is not None and times.end_error is not None:
            within = (
                f"half of {times.n_timed} words start within that of the truth, and end within "
                f"{1000 * times.end_error:.0f} ms"
            )
            rows.append(Figure("word times", f"{1000 * times.start_error:.0f} ms", within))
    name = "utterances right as a whole" if sequences else "accuracy"
    ends = f"{share.correct} of {share.total}; 95 % interval {_between(share.interval)}"
    rows.append(Figure(name, _percent(share.value), ends))
    if found.reliability:
        error = _percent(found.reliability.expected_calibration_error)
        rows.append(Figure("calibration error", error, "15 bins of confidence"))
    if rejection := found.rejection:
        alarms, area = rejection.others_answered, rejection.evidence_auc
        rows.append(
            Figure(
                "not a word",
                "–" if area is None else f"{area:.4f}",
                f"AUROC; {alarms.correct} of {alarms.total} are answered with a word",
            )
        )
    return rows


def _between(interval: Sequence[float]) -> str:
    low, high = interval
    return f"{100 * low:.1f} to {100 * high:.1f}\u00a0%"


def _classes(classes: Sequence[ClassFigures]) -> Table:
    """Return a table of classes, the worst alone where there are many."""
    if len(classes) < 2:
        return []
    if len(classes) > MOST_ROWS:
        classes = sorted(classes, key=lambda row: row.f1)[:MOST_ROWS]
    return [
        ["class", "clips", "precision", "recall", "F1"],
        *(
            [row.label, str(row.support), *map(_percent, (row.precision, row.recall, row.f1))]
            for row in classes
        ),
    ]


def _shown(rows: Sequence[Any] | Mapping[str, Any]) -> str:
    return f"The {MOST_ROWS} worst of {len(rows)}" if len(rows) > MOST_ROWS else ""


def _groups(name: str, groups: Mapping[Any, Group], sequences: bool) -> Table:
    """Return a table of groups, the worst alone where there are many."""
    if len(groups) < 2:
        return []
    rows = list(groups.items())
    if len(rows) > MOST_ROWS:
        rows = sorted(rows, key=lambda item: item[1].accuracy.value)[:MOST_ROWS]
    return [
        [name, "clips", "right", "95 % interval", *(["WER"] if sequences else [])],
        *(
            [str(key), str(share.total), _percent(share.value), _between(share.interval)]
            + ([_percent(group.words.rate)] if sequences else [])
            for key, group in rows
            for share in [group.accuracy]
        ),
    ]
