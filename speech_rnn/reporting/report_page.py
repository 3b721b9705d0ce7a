"""The report of a run: one self-contained HTML file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from speech_rnn.detection.det_curve import DetectionReport
from speech_rnn.evaluation.results import Evaluation
from speech_rnn.metrics import reliability, risk_coverage
from speech_rnn.recognizer import Recognizer
from speech_rnn.reporting import pictures
from speech_rnn.reporting.card import model_card
from speech_rnn.reporting.mistakes import Mistake, mistakes
from speech_rnn.reporting.rows import (
    Figure,
    Rows,
    between,
    classes,
    detections,
    figures,
    groups,
    percent,
)
from speech_rnn.reporting.run_folder import RunFolder, Stressed
from speech_rnn.reporting.templates import write_html

MOST_LABELS = 40
MANY_LABELS = 14
"""Largest number of classes in a normal cell; larger confusion matrices get a row of their own."""
MOST_ROWS = 40

OF_CLASSES = ("accuracy", "calibration error", "not a word")
OF_SEQUENCES = ("accuracy", "word error rate", "word times", "calibration error")
"""Figures at the top of the page."""

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
    """Write the report of a training, ``report.html`` in its folder unless `path` is given.

    The Recognizer is read from the folder unless it is given.

    Raises
    ------
    MissingExtraError
        if matplotlib or jinja2 is not installed.
    ConfigurationError
        if the folder is not that of a training.
    DataError, ModelError
        if a file in it cannot be read, or the page cannot be written.
    """
    run = RunFolder.load(folder, recognizer)
    card = model_card(run)
    page = Page(
        title=card.title,
        subtitle=card.subtitle,
        card=card.rows,
        command=card.command,
        configuration=run.metrics.get("config", ""),
        curves=pictures.curves(run.curves),
        sweeps=_sweeps(run.stress),
        listening=_listening(run.detection) if run.detection else None,
        answers=_answers(run, run.evaluation) if run.evaluation else None,
    )
    return write_html(
        "report_page.html", vars(page), Path(path) if path else run.path / "report.html"
    )


class Picture(NamedTuple):
    """An SVG with its name."""

    name: str
    svg: str


@dataclass(frozen=True)
class Listening:
    """Results of detection in hours of sound."""

    svg: str
    note: str
    latency: str
    words: Rows


@dataclass(frozen=True)
class Answers:
    """Results on a test split; empty texts and tables are not shown."""

    figures: list[Figure]
    confusion: str
    many: bool
    classes: Rows
    classes_note: str
    speakers: Rows
    speakers_note: str
    sizes: Rows
    reliability: str
    reliability_note: str
    risk: str
    risk_note: str
    errors: list[Mistake]
    errors_note: str


@dataclass(frozen=True)
class Page:
    """The values for ``report_page.html``."""

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
    confidences = [row.hypothesis.confidence for row in found.rows if row.hypothesis]
    right = [row.is_correct for row in found.rows if row.hypothesis]
    sure, risk = reliability(confidences, right), risk_coverage(confidences, right)
    shown = OF_SEQUENCES if run.recognizer.model.head == "ctc" else OF_CLASSES
    n_wrong = found.accuracy.total - found.accuracy.correct
    unread = f"; {len(found.failures)} more clips could not be read." if found.failures else "."
    return Answers(
        figures=[figure for figure in figures(found) if figure.name in shown],
        confusion=pictures.confusion(found.labels, found.confusion)
        if 1 < len(found.labels) <= MOST_LABELS
        else "",
        many=len(found.labels) > MANY_LABELS,
        classes=classes(found.per_class, MOST_ROWS),
        classes_note=_shown(found.per_class),
        speakers=groups("speaker", found.per_speaker, MOST_ROWS)
        if len(found.per_speaker) > 1
        else [],
        speakers_note=_shown(found.per_speaker),
        sizes=groups("words", found.per_length, MOST_ROWS),
        reliability=pictures.reliability(sure),
        reliability_note=f"expected calibration error {percent(sure.expected_calibration_error)} "
        f"({len(sure.counts)} bins); darker bars have more answers",
        risk=pictures.risk(risk),
        risk_note=f"mean of the curve: {percent(risk.area)}",
        errors=mistakes(run),
        errors_note=f"{n_wrong} of {len(confidences)} answers are wrong{unread}",
    )


def _sweeps(rows: Sequence[Stressed]) -> list[Picture]:
    """Draw accuracy under each kind of condition, in the order of `CONDITIONS`."""
    swept: dict[tuple[str, str], list[Stressed]] = defaultdict(list)
    for row in rows:
        swept[row.condition, row.kind].append(row)
    clean = next((row.accuracy.value for row in rows if row.condition == "clean"), None)
    titles = {
        (name, kind): title.replace("noise", kind, 1) if kind else title
        for name, title in CONDITIONS.items()
        for condition, kind in swept
        if condition == name
    }
    return [
        Picture(title, pictures.sweep(swept[place], title, clean))
        for place, title in titles.items()
    ]


def _listening(found: DetectionReport) -> Listening:
    """Show misses and false accepts in hours of sound."""
    total, latency = found.total, found.latency
    note = (
        f"The dot with bars is at the recogniser's thresholds. It misses {percent(total.miss_rate)}"
        f" of {total.n_labels} words (95 % interval {between(total.miss_interval, 1)}) and has "
        f"{total.n_false} false accepts in {total.hours:.2f} hours "
        f"(95 % interval {between(total.false_interval, 2, 1)} an hour)."
    )
    latency_note = latency and (
        f"A word is reported {1000 * latency.median:.0f} ms after its end (median; "
        f"{1000 * latency.p95:.0f} ms at the 95th percentile)."
    )
    return Listening(
        pictures.det(found.curve, total), note, latency_note or "", detections(found.per_word)
    )


def _shown(rows: Sized) -> str:
    return f"The {MOST_ROWS} worst of {len(rows)}" if len(rows) > MOST_ROWS else ""
