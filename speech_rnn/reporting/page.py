"""A run as one HTML file: it needs no other, and no network."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch

from speech_rnn.audio import encode_flac, load_audio
from speech_rnn.errors import AudioError, MissingExtraError
from speech_rnn.features import LogMel
from speech_rnn.metrics import Reliability, risk_coverage
from speech_rnn.reporting import pictures
from speech_rnn.reporting.card import model_card
from speech_rnn.reporting.run_folder import RunFolder, is_right

__all__ = ["write_report"]

MOST_LABELS = 40
MOST_ROWS = 60
MOST_ERRORS = 12
LONGEST_SECONDS = 6.0
PLAYED_RATE = 16_000

CONDITIONS = {
    "snr_db": "noise: signal-to-noise ratio (dB)",
    "gain_db": "level (dB)",
    "speed": "speed",
    "band_hz": "band (Hz)",
    "room": "room",
}


def write_report(folder: str | Path, path: str | Path | None = None) -> Path:
    """Show what a training has reached, as ``report.html`` in its folder unless `path` says else.

    Raises
    ------
    MissingExtraError
        without matplotlib and jinja2.
    DataError, ModelError
        if the folder is none of a training.
    """
    try:
        from jinja2 import Environment
        from markupsafe import Markup
    except ImportError as error:
        raise MissingExtraError("jinja2", "report") from error
    run = RunFolder.load(folder)
    parts = _parts(run)
    for name in ("curves", "confusion", "reliability", "risk"):
        parts[name] = Markup(parts[name])
    for part in (*parts["sweeps"], *parts["errors"]):
        part["svg"] = Markup(part["svg"])
    template = files("speech_rnn.reporting").joinpath("page.html").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True).from_string(template).render(parts)
    path = Path(path) if path else run.path / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _parts(run: RunFolder) -> dict[str, Any]:
    """Return what the page's places are filled with."""
    card = model_card(run)
    parts: dict[str, Any] = {
        "title": card.title,
        "subtitle": card.subtitle,
        "card": card.rows,
        "command": card.command,
        "configuration": run.metrics.get("config", ""),
        "curves": pictures.curves(run.curves) if run.curves else "",
        **dict.fromkeys(("confusion", "reliability", "risk"), ""),
        "sweeps": [
            {"name": CONDITIONS[name], "svg": pictures.sweep(list(rows), name)}
            for name, rows in groupby(run.stress, lambda row: str(row["condition"]))
            if name in CONDITIONS
        ],
        "errors": [],
    }
    if run.evaluation is None:
        return parts
    found = run.evaluation
    parts["figures"] = _figures(found)
    labels = found["confusion"]["labels"]
    if 1 < len(labels) <= MOST_LABELS:
        parts["confusion"] = pictures.confusion(labels, found["confusion"]["counts"])
    parts["classes"] = _classes(found["per_class"])
    parts["speakers"] = _groups("speaker", found["per_speaker"])
    parts["sizes"] = _groups("words", found["per_length"])
    bins = {key: tuple(value) for key, value in found["reliability"].items() if key != ERROR}
    parts["reliability"] = pictures.reliability(Reliability(**bins))
    said = [row["confidence"] for row in run.heard]
    parts["risk"] = pictures.risk(risk_coverage(said, [is_right(row) for row in run.heard]))
    wrong = [row for row in run.heard if not is_right(row)]
    wrong.sort(key=lambda row: -row["confidence"])
    parts["errors"] = [_error(run, row) for row in wrong[:MOST_ERRORS]]
    parts["errors_note"] = f"{len(wrong)} of {len(run.heard)} are wrong."
    return parts


ERROR = "expected_calibration_error"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f} %"


def _figures(found: Mapping[str, Any]) -> list[dict[str, str]]:
    share, words = found["accuracy"], found["word_error_rate"]
    rows = [
        (
            "accuracy",
            _percent(share["accuracy"]),
            f"{share['correct']} of {share['total']}; 95 % interval "
            f"{' to '.join(_percent(end) for end in share['interval'])}",
        ),
        (
            "word error rate",
            _percent(words["rate"]),
            f"{words['substitutions']} substituted, {words['deletions']} deleted, "
            f"{words['insertions']} inserted of {words['reference_length']}",
        ),
        ("calibration error", _percent(found["calibration_error"]), "15 bins of confidence"),
    ]
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


def _classes(classes: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    if not 1 < len(classes) <= MOST_ROWS:
        return []
    header = ["class", "clips", "precision", "recall", "F1"]
    return [
        header,
        *(
            [row["label"], str(row["support"])]
            + [_percent(row[name]) for name in ("precision", "recall", "f1")]
            for row in classes
        ),
    ]


def _groups(name: str, groups: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Return a table of groups, the worst first where there are many."""
    if len(groups) < 2:
        return []
    rows = list(groups.items())
    if len(rows) > MOST_ROWS:
        rows = sorted(rows, key=lambda item: item[1]["accuracy"])[:MOST_ROWS]
    return [
        [name, "clips", "accuracy", "95 % interval", "word errors"],
        *(
            [
                key,
                str(group["total"]),
                _percent(group["accuracy"]),
                " to ".join(_percent(end) for end in group["interval"]),
                _percent(group["word_error_rate"]["rate"]),
            ]
            for key, group in rows
        ),
    ]


def _error(run: RunFolder, row: Mapping[str, Any]) -> dict[str, str]:
    """Show a clip that was answered wrongly; one of several files has neither sound nor picture."""
    shown = {
        "said": row["reference"],
        "heard": row["label"] or "nothing",
        "note": f"confidence {row['confidence']:.3f} · {row['speaker']} {row['file']}",
        "svg": "",
        "sound": "",
    }
    recognizer = run.recognizer
    rate, window = recognizer.sample_rate, recognizer.features.win_length
    try:
        sounds = [
            load_audio(
                row["file"],
                sample_rate,
                start_seconds=row["start_seconds"],
                duration_seconds=LONGEST_SECONDS,
                check=False,
            )
            for sample_rate in (rate, PLAYED_RATE)
        ]
    except AudioError:
        return shown
    samples = np.pad(sounds[0], (0, max(0, window - len(sounds[0]))))
    waveform, lengths = torch.from_numpy(samples)[None], torch.tensor([len(samples)])
    with torch.inference_mode():
        frames, n_frames = recognizer.features(waveform, lengths)
        attention = None
        if recognizer.model.pooling == "attention":
            attention = recognizer.model.attention(frames, n_frames)[0].numpy()
    spectrum, _ = LogMel(sample_rate=rate)(waveform, lengths)  # whatever the features are
    shown["svg"] = pictures.clip(samples, rate, spectrum[0].numpy(), attention)
    shown["sound"] = base64.b64encode(encode_flac(sounds[1], PLAYED_RATE)).decode()
    return shown
