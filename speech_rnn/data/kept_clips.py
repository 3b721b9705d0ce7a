"""Clips that are not in memory: in one file on a disk, or read again each time."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_rnn.data.cache import bytes_of, read_utterance, sound_digest
from speech_rnn.data.corpus import Utterance
from speech_rnn.data.survey import Survey, SurveyedClips, origin, survey
from speech_rnn.errors import DataError, SpeechRnnError
from speech_rnn.storage import atomic
from speech_rnn.storage.folders import locked, make_folder, writing

log = logging.getLogger(__name__)

BYTES = 2
"""Bytes per sample."""
CHECKED_AT_ONCE = 1024
"""Number of clips that a thread compares with their digests at once."""


class ClipsOnDisk(SurveyedClips):
    """Clips in one file of 16-bit samples, which is memory-mapped; see `KnownClips`.

    Parameters
    ----------
    utterances : rows of a corpus.
    sample_rate : sample rate of the clips in Hz.
    found : survey of the clips.
    file : their samples, one clip after the other.
    """

    def __init__(
        self, utterances: Sequence[Utterance], sample_rate: int, found: Survey, file: Path
    ) -> None:
        super().__init__(utterances, sample_rate, found)
        self._bounds = np.concatenate([[0], np.cumsum(found.n_samples)])
        whole = np.memmap(file, "<i2", mode="r") if len(self) else np.zeros(0, "<i2")
        self._samples = np.asarray(whole)

    def __getitem__(self, index: int) -> NDArray[np.int16]:
        return self._samples[self._bounds[index] : self._bounds[index + 1]]


class ClipsOnDemand(SurveyedClips):
    """Clips that are read and decoded whenever they are asked for; see `KnownClips`."""

    def __getitem__(self, index: int) -> NDArray[np.int16]:
        row = self.utterances[index]
        clip = read_utterance(row, self.sample_rate)
        if isinstance(clip, SpeechRnnError):
            raise clip
        samples, _ = clip
        if len(samples) != self.n_samples[index]:
            raise DataError(
                f"{row.audio}: has {len(samples)} samples, and it had {self.n_samples[index]} at "
                "the start; leave the corpus unchanged during a training, and start again"
            )
        return samples


def clips_on_disk(
    utterances: Sequence[Utterance], sample_rate: int, folder: Path, split: str
) -> ClipsOnDisk:
    """Return clips whose samples are in one file in a folder, which is made unless it is there.

    An existing file is used again if it was made from the same rows and the same files, and if all
    samples are as they were written.

    Raises
    ------
    DataError
        if the folder cannot be written, or no clip can be read.
    """
    with _index_of(utterances, sample_rate, folder, split) as index:
        samples, found = index.with_suffix(".int16"), Survey.read(index)
        if found is None or not _is_as_written(samples, found):
            with atomic.replacing(samples) as partial:
                with partial.open("wb") as file:
                    found = survey(utterances, sample_rate, lambda clip: file.write(bytes_of(clip)))
                index.unlink(missing_ok=True)  # it must never describe another file
            found.write(index)
        return ClipsOnDisk(utterances, sample_rate, found, samples)


def clips_on_demand(
    utterances: Sequence[Utterance], sample_rate: int, folder: Path, split: str
) -> ClipsOnDemand:
    """Return clips that are read when needed; all are read once for what is known of them.

    Raises
    ------
    DataError
        if the folder cannot be written, or no clip can be read.
    """
    with _index_of(utterances, sample_rate, folder, split) as index:
        found = Survey.read(index)
        if found is None:
            found = survey(utterances, sample_rate)
            found.write(index)
        return ClipsOnDemand(utterances, sample_rate, found)


@contextmanager
def _index_of(
    utterances: Sequence[Utterance], sample_rate: int, folder: Path, split: str
) -> Iterator[Path]:
    """Yield the file of the survey of rows, locked against other processes."""
    with writing(make_folder(folder, "paths.data"), "paths.data"):
        place = folder / f"{split}-{origin(utterances, sample_rate)[:16]}"
        with locked(place.with_suffix(".lock")):
            yield place.with_suffix(".npz")


def _is_as_written(samples: Path, found: Survey) -> bool:
    """Return whether a file holds the clips of a survey, sample by sample."""
    bounds = np.concatenate([[0], np.cumsum(found.n_samples)]) * BYTES
    if not samples.is_file() or samples.stat().st_size != bounds[-1]:
        return False
    file = os.open(samples, os.O_RDONLY)

    def is_right(start: int) -> bool:
        stop = min(start + CHECKED_AT_ONCE, len(found.n_samples))
        content = os.pread(file, int(bounds[stop] - bounds[start]), int(bounds[start]))
        cuts = bounds[start : stop + 1] - bounds[start]
        return all(
            sound_digest(np.frombuffer(content[cuts[n] : cuts[n + 1]], "<i2"))
            == found.digests[start + n].tobytes()
            for n in range(stop - start)
        )

    try:
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            is_whole = all(threads.map(is_right, range(0, len(found.n_samples), CHECKED_AT_ONCE)))
    finally:
        os.close(file)
    if not is_whole:
        log.warning("%s is damaged and is made again", samples)
    return is_whole
