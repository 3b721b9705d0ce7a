"""Long recordings with reference labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import audio_duration, open_audio
from speech_rnn.audio.finding import sound_files
from speech_rnn.detection.labels import Label, LabelRow, check_labels, read_labels
from speech_rnn.errors import DataError


@dataclass(frozen=True)
class Recording:
    """A recording that is read block by block.

    Parameters
    ----------
    file : its path.
    sample_rate : in Hz.
    duration : in seconds.
    labels : the words that are said in it.
    notes : what the person who reads figures of it should know.
    """

    file: Path
    sample_rate: int
    duration: float
    labels: tuple[Label, ...]
    notes: tuple[str, ...] = ()

    def blocks(self, block_seconds: float) -> Iterator[NDArray[np.float32]]:
        """Yield the samples, (n,) each.

        Raises
        ------
        AudioError
            for a file that cannot be read.
        """
        with open_audio(self.file, block_seconds=block_seconds) as sound:
            yield from sound.blocks


def read_recordings(
    paths: Sequence[str], labels: Sequence[str], vocabulary: Iterable[str]
) -> list[Recording]:
    """Return recordings with their labels.

    A recording without labels is one in which no word is said.

    Parameters
    ----------
    paths : sound files, or folders of them.
    labels : files of labels, see `read_labels`; one that names no recordings is of the recording
        that is called like it.
    vocabulary : the words that a label may name.

    Raises
    ------
    DataError
        for files that cannot be found or read, rows that name none of the recordings, and labels
        that cannot be right, see `check_labels`.
    """
    files = sound_files(paths, "audio")
    places = {file.resolve(): file for file in files}
    rows: dict[Path, list[LabelRow]] = defaultdict(list)
    lost = []
    for row in (row for path in labels for row in _rows(Path(path), files)):
        found = None if row.file is None else places.get(row.file.resolve())
        if found is None:
            lost.append(f"  {row.place}: file={str(row.file or '')!r} is not among the recordings")
        else:
            rows[found].append(row)
    if lost:
        told = "labels name other recordings; a relative file starts at the folder of its labels:"
        raise DataError("\n".join([told, *lost]))
    words = list(vocabulary)
    return [_recording(file, rows[file], words) for file in files]


def _rows(path: Path, files: Sequence[Path]) -> list[LabelRow]:
    """Read labels; those without a recording get the one whose name is theirs."""
    alike = [file for file in files if file.stem == path.stem]
    own = alike[0] if len(alike) == 1 else None
    return [LabelRow(row.label, row.file or own, row.place) for row in read_labels(path)]


def _recording(file: Path, rows: Sequence[LabelRow], words: Sequence[str]) -> Recording:
    duration = audio_duration(file)
    check_labels(rows, duration, words)
    with open_audio(file) as sound:
        rate = sound.sample_rate
    labels = sorted((row.label for row in rows), key=lambda label: label.start)
    return Recording(file, rate, duration, tuple(labels))
