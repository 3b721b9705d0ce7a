"""Output formats of events: text, JSON, CSV, Audacity, WebVTT, TextGrid."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from speech_rnn.errors import printable
from speech_rnn.listening.events import Event

COLUMNS = ("file", "word", "start", "end", "confidence")
SHORTEST = 0.001
"""Shortest interval or cue in seconds: Praat and WebVTT do not allow a duration of 0."""


def text_line(event: Event, *, with_name: bool = False) -> str:
    """Return start, end, confidence and the word, which is last because it may hold spaces."""
    name = f"{event.file}: " if with_name else ""
    times = f"{event.start:.3f} {event.end:.3f}"
    return printable(f"{name}{times} {event.confidence:.4f} {event.word}")


def json_line(event: Event) -> str:
    """Return an event as a line of JSON Lines."""
    return json.dumps(event.to_dict(), ensure_ascii=False)


def csv_rows(rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as CSV (RFC 4180, except for line ends)."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def csv_table(events: Sequence[Event], duration: float) -> str:
    """Return a table with a header line."""
    return csv_rows([COLUMNS, *(list(event.to_dict().values()) for event in events)])


def audacity_labels(events: Sequence[Event], duration: float) -> str:
    """Return a label track of Audacity: start, end and word, separated by tabs.

    A label consists of the word only, so that a corrected track can serve as reference.
    """
    return "".join(
        f"{event.start:.6f}\t{event.end:.6f}\t{' '.join(event.word.split())}\n" for event in events
    )


def webvtt(events: Sequence[Event], duration: float) -> str:
    """Return cues (W3C, WebVTT), each after a note with its confidence."""
    cues = [
        f"NOTE confidence {event.confidence:.4f}\n\n"
        f"{_clock(start)} --> {_clock(end)}\n{_escaped(event.word)}\n"
        for event, start, end in _spans(events)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def subrip(events: Sequence[Event], duration: float) -> str:
    """Return cues of SubRip (.srt), numbered from 1."""
    cues = [
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{' '.join(event.word.split())}\n"
        for number, (event, start, end) in enumerate(_spans(events), start=1)
    ]
    return "\n".join(cues)


def _clock(seconds: float, point: str = ".") -> str:
    milliseconds = round(1000 * seconds)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _escaped(text: str) -> str:
    for character, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, name)
    return " ".join(text.split())


def textgrid(events: Sequence[Event], duration: float) -> str:
    """Return a TextGrid of Praat in its full text format.

    There is a tier of words and a tier of their confidences. Intervals of a tier must not overlap;
    overlapping words, as from two stretches of a gate, are written in additional tiers.
    """
    layers: list[list[tuple[Event, float, float]]] = []
    for event, start, end in _spans(events):
        layer = next((layer for layer in layers if layer[-1][2] <= start), None)
        if layer is None:
            layers.append(layer := [])
        layer.append((event, start, end))
    stop = max([SHORTEST, round(duration, 3), *(layer[-1][2] for layer in layers)])
    tiers = []
    for number, layer in enumerate(layers or [[]], start=1):
        suffix = f" {number}" if number > 1 else ""
        words = [(start, end, event.word) for event, start, end in layer]
        scores = [(start, end, f"{event.confidence:.4f}") for event, start, end in layer]
        tiers += [("words" + suffix, words), ("confidence" + suffix, scores)]
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    lines += ["xmin = 0", f"xmax = {stop}", "tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, intervals) in enumerate(tiers, start=1):
        filled = _filled(intervals, stop)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"']
        lines += [f"        name = {_quoted(name)}", "        xmin = 0", f"        xmax = {stop}"]
        lines += [f"        intervals: size = {len(filled)}"]
        for place, (start, end, text) in enumerate(filled, start=1):
            lines += [f"        intervals [{place}]:", f"            xmin = {start}"]
            lines += [f"            xmax = {end}", f"            text = {_quoted(text)}"]
    return "\n".join(lines) + "\n"


def _filled(
    intervals: Sequence[tuple[float, float, str]], stop: float
) -> list[tuple[float, float, str]]:
    """Fill the gaps with empty intervals."""
    filled, reached = [], 0.0
    for start, end, text in intervals:
        if start > reached:
            filled.append((reached, start, ""))
        filled.append((start, end, text))
        reached = end
    return [*filled, (reached, stop, "")] if reached < stop else filled


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _spans(events: Sequence[Event]) -> list[tuple[Event, float, float]]:
    """Return events sorted by start, with times in whole milliseconds and a duration above 0."""
    return [
        (event, start, max(round(event.end, 3), round(start + SHORTEST, 3)))
        for event in sorted(events, key=lambda event: event.start)
        for start in [round(event.start, 3)]
    ]


@dataclass(frozen=True)
class Format:
    """A document format for the events of one file.

    Parameters
    ----------
    render : function from events and the duration of the file in seconds to the text.
    suffix : suffix of the document's name.
    """

    render: Callable[[Sequence[Event], float], str]
    suffix: str


FORMATS = {
    "csv": Format(csv_table, ".csv"),
    # Transcripts beside recordings have the suffix .txt.
    "audacity": Format(audacity_labels, ".labels.txt"),
    "textgrid": Format(textgrid, ".TextGrid"),
    "webvtt": Format(webvtt, ".vtt"),
}
