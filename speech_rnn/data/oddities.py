"""Problems of a corpus' sounds: one line counts them, and a file lists them all."""

from __future__ import annotations

import csv
import io
import logging
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from speech_rnn.data.cache import AudioCache
from speech_rnn.storage import atomic

COLUMNS = ("split", "audio", "start_seconds", "problem")
PLURAL = {"is ": "are ", "has ": "have ", "its samples ": "have samples that "}

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
