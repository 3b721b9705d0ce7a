"""Doubtful clips on one self-contained page, with their waveforms and sounds."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_rnn.evaluation.label_errors import Doubt
from speech_rnn.reporting.playback import embedded, played
from speech_rnn.storage import atomic

WIDTH, HEIGHT = 240, 40

STYLE = Path(__file__).with_name("style.css")
# Not a template of jinja2, so that an audit can be shown without the extra [report].
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Doubtful labels</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>Doubtful labels</h1>
<p>The most doubtful first. Keep the rows of wrong labels in <code>disputed.csv</code>, delete the
rows of right ones, and train with <code>exclude=disputed.csv</code>.</p>
<div class="grid">
{articles}
</div>
</main>
</body>
</html>
"""

ARTICLE = """<article class="card">
<h3>{rank}. labelled {given}, <span class="wrong">recognised as {likely}</span></h3>
<svg viewBox="0 0 {width} {height}" role="img" aria-label="waveform of clip {rank}"><path
fill="var(--first)" d="{path}"/></svg>
<audio controls preload="metadata" src="data:audio/flac;base64,{sound}"></audio>
<p class="note">margin {margin:+.3f} · {audio}</p>
</article>"""


def write_page(doubts: Sequence[Doubt], path: str | Path) -> None:
    """Write clips with their labels as one self-contained HTML file.

    Raises
    ------
    DataError
        if a clip cannot be read.
    """
    articles = "\n".join(map(_article, doubts))
    atomic.write(path, PAGE.format(style=STYLE.read_text(), articles=articles))


def _article(doubt: Doubt) -> str:
    samples = played(doubt.utterance)
    return ARTICLE.format(
        rank=doubt.rank,
        given=escape(doubt.given),
        likely=escape(doubt.likely),
        margin=doubt.margin,
        audio=escape(doubt.utterance.audio),
        width=WIDTH,
        height=HEIGHT,
        path=_outline(samples),
        sound=embedded(samples),
    )


def _outline(samples: NDArray[np.float32]) -> str:
    """Draw a waveform (N,) as an SVG path: the peak of each column, up and down."""
    columns = np.array_split(np.abs(samples), min(WIDTH, len(samples)))
    peaks = np.array([column.max() for column in columns]) / max(float(np.abs(samples).max()), 1e-9)
    middle = HEIGHT / 2
    places = np.linspace(0, WIDTH, len(peaks))
    above = [f"{x:.1f},{middle - middle * peak:.1f}" for x, peak in zip(places, peaks, strict=True)]
    below = [f"{x:.1f},{middle + middle * peak:.1f}" for x, peak in zip(places, peaks, strict=True)]
    return "M" + "L".join([*above, *reversed(below)]) + "Z"
