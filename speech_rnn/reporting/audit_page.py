"""Doubtful clips on one page that opens anywhere: what they look like, and how they sound."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_rnn.evaluation.label_errors import Doubt
from speech_rnn.reporting.playback import embedded, played

__all__ = ["write_page"]

WIDTH, HEIGHT = 240, 40

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Doubtful labels</title>
<style>
:root {{ color-scheme: light dark; --line: #8884; --wave: #2a6fdb; --doubt: #c2410c; }}
@media (prefers-color-scheme: dark) {{ :root {{ --wave: #7fb2ff; --doubt: #ff9d6b; }} }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }}
h1 {{ font-size: 1.4rem; }}
article {{ border-top: 1px solid var(--line); padding: .75rem 0; display: grid;
  grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: .25rem 1rem; align-items: center; }}
p {{ margin: 0; overflow-wrap: anywhere; }}
svg {{ width: 100%; height: 40px; }}
path {{ fill: var(--wave); }}
audio {{ width: 100%; height: 36px; }}
small {{ opacity: .7; }}
strong {{ color: var(--doubt); }}
@media (max-width: 40rem) {{ article {{ grid-template-columns: minmax(0, 1fr); }} }}
</style>
</head>
<body>
<h1>Doubtful labels</h1>
<p>The most doubtful first. What is wrong stays in <code>disputed.csv</code>; delete the rows of
what is right, and train with <code>exclude=disputed.csv</code>.</p>
{articles}
</body>
</html>
"""

ARTICLE = """<article>
<p>{rank}. labelled <strong>{given}</strong>, heard as <strong>{likely}</strong><br>
<small>margin {margin:+.3f} · {audio}</small></p>
<div><svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img"
aria-label="waveform of clip {rank}"><path d="{path}"/></svg>
<audio controls preload="metadata" src="data:audio/flac;base64,{sound}"></audio></div>
</article>"""


def write_page(doubts: Sequence[Doubt], path: str | Path) -> None:
    """Write clips with their labels as one HTML file that needs no other.

    Raises
    ------
    DataError
        if a clip cannot be read.
    """
    articles = "\n".join(map(_article, doubts))
    Path(path).write_text(PAGE.format(articles=articles), encoding="utf-8")


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
    """Draw a waveform (N,) as an SVG path: the loudest of each column, up and down."""
    columns = np.array_split(np.abs(samples), min(WIDTH, len(samples)))
    peaks = np.array([column.max() for column in columns]) / max(float(np.abs(samples).max()), 1e-9)
    middle = HEIGHT / 2
    places = np.linspace(0, WIDTH, len(peaks))
    above = [f"{x:.1f},{middle - middle * peak:.1f}" for x, peak in zip(places, peaks, strict=True)]
    below = [f"{x:.1f},{middle + middle * peak:.1f}" for x, peak in zip(places, peaks, strict=True)]
    return "M" + "L".join([*above, *reversed(below)]) + "Z"
