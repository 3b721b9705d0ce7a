"""A run as one HTML file: it needs no other, and no network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from speech_rnn.errors import DataError
from speech_rnn.metrics import Reliability, risk_coverage
from speech_rnn.recognizer import Recognizer
from speech_rnn.reporting import pictures
from speech_rnn.reporting.card import model_card
from speech_rnn.reporting.mistakes import mistakes
from speech_rnn.reporting.run_folder import RunFolder, is_right
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
    try:
        parts = _parts(run)
    except KeyError as error:
        raise DataError(
            f"run={str(folder)!r} lacks {error} in evaluation.json or hypotheses.jsonl; write them "
            "anew by  python -m speech_rnn.evaluate"
        ) from error
    return write_html("page.html", parts, Path(path) if path else run.path / "report.html")


def _parts(run: RunFolder) -> dict[str, Any]:
    """Return what the page's places are filled with."""
    card = model_card(run)
    parts: dict[str, Any] = {
        "title": card.title,
        "subtitle": card.subtitle,
        "card": card.rows,
        "command": card.command,
        "configuration": run.metrics.get("config", ""),
        "curves": pictures.curves(run.curves),
        "sweeps": _sweeps(run.stress),
        "listening": _listening(run.detection) if run.detection else None,
    }
    if run.evaluation is None:
        return parts
    found, sequences = run.evaluation, run.recognizer.model.head == "ctc"
    parts["figures"] = _figures(found, sequences)
    labels = found["confusion"]["labels"]
    if 1 < len(labels) <= MOST_LABELS:
        parts["confusion"] = pictures.confusion(labels, found["confusion"]["counts"])
        parts["many"] = len(labels) > MANY_LABELS
    parts["classes"] = _classes(found["per_class"])
    parts["classes_note"] = _shown(found["per_class"])
    parts["speakers_note"] = _shown(found["per_speaker"])
    parts["speakers"] = _groups("speaker", found["per_speaker"], sequences)
    parts["sizes"] = _groups("words", found["per_length"], sequences)
    bins = {key: tuple(value) for key, value in found["reliability"].items() if key != ERROR}
    sure = Reliability(**bins)
    said = [row["confidence"] for row in run.heard]
    risk = risk_coverage(said, [is_right(row) for row in run.heard])
    parts["reliability"] = pictures.reliability(sure)
    parts["reliability_note"] = (
        f"expected calibration error {_percent(sure.expected_calibration_error)} "
        f"({len(sure.counts)} bins); darker bars hold more answers"
    )
    parts["risk"] = pictures.risk(risk)
    parts["risk_note"] = f"area under it: {_percent(risk.area)} wrong on average"
    n_wrong = sum(not is_right(row) for row in run.heard)
    unread = len(run.rows) - len(run.heard)
    parts["errors"] = [asdict(mistake) for mistake in mistakes(run)]
    parts["errors_note"] = f"{n_wrong} of {len(run.heard)} are wrong" + (
        f"; {unread} more could not be read." if unread else "."
    )
    return parts


ERROR = "expected_calibration_error"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f}\u00a0%"


def _sweeps(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Draw accuracy under each kind of stress, in the order of `CONDITIONS`."""
    by_name: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_name[str(row["condition"])].append(row)
    clean = next((row["accuracy"]["accuracy"] for row in by_name["clean"]), None)
    return [
        {"name": title, "svg": pictures.sweep(by_name[name], title, clean)}
        for name, title in CONDITIONS.items()
        if by_name[name]
    ]


def _listening(found: Mapping[str, Any]) -> dict[str, Any]:
    """Show what was missed and falsely accepted in hours of sound."""
    total, latency = found["total"], found["latency"]
    low, high = total["false_interval"]
    note = (
        f"by its own thresholds, the dot with bars, {_percent(total['miss_rate'])} of "
        f"{total['n_labels']} are missed (95 % interval {_between(total['miss_interval'])}), "
        f"{total['n_false']} false accepts come in {total['hours']:.2f} hours "
        f"(95 % interval {low:.2f} to {high:.2f} an hour)"
    )
    told = latency and (
        f"told {1000 * latency['median']:.0f} ms after the end of the word (median), "
        f"{1000 * latency['p95']:.0f} ms at the 95th percentile"
    )
    rows = [
        [
            word,
            str(counts["n_labels"]),
            _percent(counts["miss_rate"]),
            _between(counts["miss_interval"]),
            f"{counts['false_per_hour']:.2f}",
        ]
        for word, counts in found["per_word"].items()
    ]
    head = ["word", "said", "missed", "95 % interval", "false an hour"]
    svg = pictures.det(found["curve"], total)
    return {"svg": svg, "note": note, "latency": told or "", "words": [head, *rows]}


def _figures(found: Mapping[str, Any], sequences: bool) -> list[dict[str, str]]:
    share = found["accuracy"]
    whole = (
        "utterances right as a whole" if sequences else "accuracy",
        _percent(share["accuracy"]),
        f"{share['correct']} of {share['total']}; 95 % interval {_between(share['interval'])}",
    )
    certainty = ("calibration error", _percent(found["calibration_error"]), "15 bins of confidence")
    rows = [*_word_figures(found), whole, certainty] if sequences else [whole, certainty]
    if rejection := found["rejection"]:
        alarms = rejection["others_answered"]
        area = rejection["evidence_auc"]
        rows.append(
            (
                "not a word",
                "–" if area is None else f"{area:.4f}",
                f"AUROC; {alarms['correct']} of {alarms['total']} are answered with a word",
            )
        )
    return [{"name": name, "value": value, "note": note} for name, value, note in rows]


def _word_figures(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return what is known of the words of sequences: errors, and times where they are known."""
    words, times = found["word_error_rate"], found["words"]
    rows = [
        (
            "word error rate",
            _percent(words["rate"]),
            f"{words['substitutions']} substituted, {words['deletions']} deleted, "
            f"{words['insertions']} inserted of {words['reference_length']}; "
            f"95 % interval {_between(words['interval'])}",
        )
    ]
    if times["start_error"] is not None:
        rows.append(
            (
                "word times",
                f"{1000 * times['start_error']:.0f} ms",
                f"half of {times['n_timed']} words start within that of the truth, and end within "
                f"{1000 * times['end_error']:.0f} ms",
            )
        )
    return rows


def _between(interval: Sequence[float]) -> str:
    low, high = interval
    return f"{100 * low:.1f} to {100 * high:.1f}\u00a0%"


def _classes(classes: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return a table of classes, the worst alone where there are many."""
    if len(classes) < 2:
        return []
    if len(classes) > MOST_ROWS:
        classes = sorted(classes, key=lambda row: row["f1"])[:MOST_ROWS]
    return [
        ["class", "clips", "precision", "recall", "F1"],
        *(
            [row["label"], str(row["support"])]
            + [_percent(row[name]) for name in ("precision", "recall", "f1")]
            for row in classes
        ),
    ]


def _shown(rows: Sequence[Any] | Mapping[str, Any]) -> str:
    return f"The {MOST_ROWS} worst of {len(rows)}" if len(rows) > MOST_ROWS else ""


def _groups(name: str, groups: Mapping[str, Mapping[str, Any]], sequences: bool) -> list[list[str]]:
    """Return a table of groups, the worst alone where there are many."""
    if len(groups) < 2:
        return []
    rows = list(groups.items())
    if len(rows) > MOST_ROWS:
        rows = sorted(rows, key=lambda item: item[1]["accuracy"])[:MOST_ROWS]
    return [
        [name, "clips", "right", "95 % interval", *(["WER"] if sequences else [])],
        *(
            [key, str(group["total"]), _percent(group["accuracy"]), _between(group["interval"])]
            + ([_percent(group["word_error_rate"]["rate"])] if sequences else [])
            for key, group in rows
        ),
    ]
