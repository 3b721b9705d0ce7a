"""Report problems of a corpus's sounds, in a log line and in a file; find near-silent clips."""

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
from speech_rnn.data.cache import KnownClips
from speech_rnn.data.corpus import Utterance
from speech_rnn.errors import AudioError
from speech_rnn.samples.levels import amplitude
from speech_rnn.storage import atomic

COLUMNS = ("split", "audio", "start_seconds", "problem")
PLURAL = {"is ": "are ", "has ": "have ", "its samples ": "have samples that "}

NEARLY_SILENT_DB = -50.0
"""Peak in dB of full scale below which no word is audible: see `samples.levels.QUIET_DB`. Of 19,475
clips of Speech Commands, 97 are below: noise, and words as quiet as their background."""
SAMPLE_RATE = 16_000
"""Sample rate at which peaks are measured, in Hz."""

log = logging.getLogger(__name__)


def tell_oddities(caches: Mapping[str, KnownClips], path: Path | None = None) -> None:
    """Log how many clips are silent, clipped and so on, and list them in a file.

    Parameters
    ----------
    caches : the clips of each split, under its name.
    path : a CSV file that gets a row for each problem of a clip; None writes no file.

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
    """Turn the description of one clip into the plural, with N in place of its numbers."""
    start = next((start for start in PLURAL if kind.startswith(start)), "")
    return re.sub(r"\d+", "N", PLURAL.get(start, "") + kind[len(start) :])


def nearly_silent(rows: Sequence[Utterance]) -> list[Utterance]:
    """Return the rows whose peak stays below `NEARLY_SILENT_DB`, apart from a constant offset.

    A file that cannot be read is not among them: the next reader raises the error.
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
