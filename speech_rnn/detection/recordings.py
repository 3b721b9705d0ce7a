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
    file : path of the recording.
    sample_rate : sample rate in Hz.
    duration : duration in seconds.
    labels : the words that are spoken in it.
    notes : warnings for the reader of the figures.
    """

    file: Path
    sample_rate: int
    duration: float
    labels: tuple[Label, ...]
    notes: tuple[str, ...] = ()

    def blocks(self, block_seconds: float) -> Iterator[NDArray[np.float32]]:
        """Yield the samples in blocks (n,).

        Raises
        ------
        AudioError
            if the file cannot be read.
        """
        with open_audio(self.file, block_seconds=block_seconds) as sound:
            yield from sound.blocks


def read_recordings(
    paths: Sequence[str], labels: Sequence[str], vocabulary: Iterable[str]
) -> list[Recording]:
    """Return recordings with their labels.

    A recording without labels contains none of the words.

    Parameters
    ----------
    paths : sound files, or folders of them.
    labels : files of labels, see `read_labels`. A file that names no recording belongs to the
        recording with the same name.
    vocabulary : the words that a label may name.

    Raises
    ------
    DataError
        if files cannot be found or read, rows name none of the recordings, or labels are
        impossible, see `check_labels`.
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
        reason = "labels name other recordings; a relative file starts at the folder of its labels:"
        raise DataError("\n".join([reason, *lost]))
    words = list(vocabulary)
    return [_recording(file, rows[file], words) for file in files]


def _rows(path: Path, files: Sequence[Path]) -> list[LabelRow]:
    """Read labels; those without a recording get the one with the same file name."""
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
