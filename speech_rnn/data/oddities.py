"""Problems of a corpus' sounds, counted in a line and listed in a file; near-silent clips."""

from __future__ import annotations

import csv
import io
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import compress
from pathlib import Path

import numpy as np

from speech_rnn.audio import load_audio
from speech_rnn.data.cache import AudioCache
from speech_rnn.data.corpus import Utterance
from speech_rnn.errors import AudioError
from speech_rnn.samples.levels import amplitude
from speech_rnn.storage import atomic

COLUMNS = ("split", "audio", "start_seconds", "problem")
PLURAL = {"is ": "are ", "has ": "have ", "its samples ": "have samples that "}

NEARLY_SILENT_DB = -50.0
"""Peak in dB of full scale at which no word is left: see `samples.levels.QUIET_DB`. Of 19,475 clips
of Speech Commands 97 have less: hiss, and words as quiet as their room."""
SAMPLE_RATE = 16_000
"""Rate at which peaks are measured, in Hz."""

log = logging.getLogger(__name__)


def tell_oddities(caches: Mapping[str, AudioCache], path: Path | None = None) -> None:
    """Log how many clips of caches are silent, clipped and so on, and write which.

    Parameters
    ----------
    caches : the clips of each split, under its name.
    path : a CSV file that gets a row for each problem of a clip; None writes none.

    Raises
    ------
    OSError
        if the file cannot be written.
    """
    rows = [
        (split, row.audio, row.start_seconds, problem)
        for split, cache in caches.items()
        for row, problem in cache.oddities
    ]
    if not rows:
        return
    kinds = Counter(_plural(problem.partition(":")[0]) for *_, problem in rows)
    (most, count), *others = kinds.most_common()
    n_clips = sum(map(len, caches.values()))
    line = f"{count:,} of {n_clips:,} clips {most}"
    line += "".join(f", {count:,} {kind}" for kind, count in others)
    if path is not None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
        atomic.write(path, text.getvalue().encode(errors="backslashreplace"))
    log.warning("%s", f"{line}: {path}" if path else line)


def _plural(kind: str) -> str:
    """Say of many clips what was said of one; their numbers differ."""
    start = next((start for start in PLURAL if kind.startswith(start)), "")
    return re.sub(r"\d+", "N", PLURAL.get(start, "") + kind[len(start) :])


def nearly_silent(rows: Sequence[Utterance]) -> list[Utterance]:
    """Return the rows whose files never rise above `NEARLY_SILENT_DB`, a constant offset aside.

    A file that cannot be read is none of them: the next reader raises.
    """
    with ThreadPoolExecutor() as readers:
        return list(compress(rows, readers.map(_is_nearly_silent, rows)))


def _is_nearly_silent(row: Utterance) -> bool:
    try:
        samples = load_audio(row.audio, SAMPLE_RATE, check=False)
    except AudioError:
        return False
    peak = float(np.abs(samples - samples.mean()).max(initial=0.0)) if len(samples) else 0.0
    return peak <= amplitude(NEARLY_SILENT_DB)
