"""Print what was examined: a recording or an installation, on one screen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from textwrap import fill

from speech_rnn.decoding.hypothesis import LABELS
from speech_rnn.diagnosis.answers import Answer
from speech_rnn.diagnosis.examination import Examination
from speech_rnn.diagnosis.extras import LIGHT, Extra
from speech_rnn.diagnosis.installation import Installation
from speech_rnn.diagnosis.measures import Measures
from speech_rnn.errors import printable
from speech_rnn.samples.activity import MOST_SNR_DB

WIDTH = 88
HEAD = 14
"""Width of the first column."""


def print_examination(found: Examination, *, as_json: bool) -> None:
    """Print the figures of a recording, the answer, and what to do."""
    if as_json:
        print(json.dumps(found.to_dict(), ensure_ascii=False), flush=True)
        return
    rows = [("format", _form(found)), *_figures(found.measures), *_answers(found.answer)]
    _print(found.name, rows, found.findings)


def print_installation(found: Installation, *, as_json: bool) -> None:
    """Print versions, extras and devices of an installation, and what to do."""
    if as_json:
        print(json.dumps(found.to_dict(), ensure_ascii=False), flush=True)
        return
    versions = [f"{name} {number}" for name, number in found.versions.items()]
    check = found.recogniser
    answers = "answers as it should" if check.problem is None else "does not answer as it should"
    speed = "" if check.real_time is None else f", in {100 * check.real_time:.1f} % of real time"
    rows = [
        ("system", found.system),
        ("packages", ", ".join(versions[2:])),
        ("recogniser", f"{answers}{speed}"),
        ("ffmpeg", "installed" if found.has_ffmpeg else "missing"),
        ("microphones", _devices(found.devices)),
        *_extras(found.extras),
    ]
    _print(", ".join(versions[:2]), rows, found.findings)


def _print(title: str, rows: Sequence[tuple[str, str]], findings: Sequence[str]) -> None:
    lines = [title]
    for name, value in rows:
        lines.append(f"  {name:{HEAD}}{value}")
    if findings:
        lines.append("what to do:")
        lines += [_item(text) for text in findings]
    else:
        lines.append("nothing is wrong")
    print(printable("\n".join(lines)), flush=True)


def _item(text: str) -> str:
    return fill(
        f"- {text[:1].upper()}{text[1:]}",
        WIDTH,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _form(found: Examination) -> str:
    measures = found.measures
    channels = "1 channel" if measures.n_channels == 1 else f"{measures.n_channels} channels"
    parts = [found.form, f"{measures.sample_rate} Hz", channels, f"{measures.seconds:.2f} s"]
    if found.seconds is not None and found.seconds > measures.seconds + 0.01:
        parts[-1] = f"the first {measures.seconds:.0f} of {found.seconds:.0f} s"
    return ", ".join(part for part in parts if part)


def _figures(found: Measures) -> list[tuple[str, str]]:
    level = f"{_decibels(found.rms_db)} RMS, {_decibels(found.peak_db)} peak"
    share = found.clipped_share
    snr = "unknown"
    if found.snr_db is not None:
        more = " or more" if found.snr_db >= MOST_SNR_DB else ""
        snr = f"{found.snr_db:.0f} dB{more}"
    end = found.bandwidth_hz
    speech = "none"
    if found.speech_start is not None and found.speech_end is not None:
        speech = f"{found.speech_start:.2f} to {found.speech_end:.2f} s"
    return [
        ("level", level),
        ("clipping", f"{100 * share:.2g} % of the samples" if share else "none"),
        ("DC offset", f"{found.dc_offset:+.4f}"),
        ("bandwidth", "none" if end is None else f"{end / 1000:.1f} kHz"),
        ("SNR", snr),
        ("speech", speech),
    ]


def _decibels(value: float | None) -> str:
    return "silence" if value is None else f"{value:.1f} dBFS"


def _answers(found: Answer) -> list[tuple[str, str]]:
    hypothesis = found.hypothesis
    answer = hypothesis.text or f"no word ({LABELS.get(hypothesis.reason or '', 'silence')})"
    rows = [("answer", f"{answer}, {100 * hypothesis.confidence:.0f} %")]
    if found.nearest:
        near = ", ".join(f"{word} {100 * value:.0f} %" for word, value in found.nearest)
        rows.append(("nearest", near))
    if hypothesis.evidence is not None:
        limit = found.least_evidence
        least = "" if limit is None else f" (no answer below {limit:.2f})"
        rows.append(("evidence", f"{hypothesis.evidence:.2f}{least}"))
    return rows


def _devices(names: Sequence[str] | None) -> str:
    if names is None:
        return "unknown without the extra mic"
    return ", ".join(names) or "none"


def _extras(extras: Sequence[Extra]) -> list[tuple[str, str]]:
    complete = [each.name for each in extras if each.name and not each.missing]
    rows = [("extras", ", ".join(complete) or "none")] if extras else []
    is_light = any(each.missing for each in extras if not each.name)
    if is_light:
        rows.append(("installation", "light, without PyTorch; trains nothing"))
    for each in extras:
        if each.missing and (not is_light or each.name in ("", *LIGHT)):
            what = f"[{each.name}]" if each.name else "the rest"
            rows.append((what, f"missing: {each.line}"))
    return rows
