"""Clips in memory as 16-bit samples."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from speech_rnn.audio import Check, load_audio
from speech_rnn.data.corpus import Part, Utterance
from speech_rnn.data.mixing import compose
from speech_rnn.errors import DataError, SpeechRnnError
from speech_rnn.vocabulary import SILENCE

FULL_SCALE = 32768.0


class Lengths(Protocol):
    """Items of different lengths, which may change from epoch to epoch."""

    @property
    def n_samples(self) -> NDArray[np.int64]:
        """Length of each item."""

    def __len__(self) -> int: ...

    def set_epoch(self, epoch: int) -> None:
        """Prepare the items of an epoch."""


class Clips(Lengths, Protocol):
    """Clips in memory, with their rows."""

    sample_rate: int

    @property
    def utterances(self) -> Sequence[Utterance]:
        """Row of each clip."""

    def __getitem__(self, index: int) -> NDArray[np.int16]: ...


class AudioCache(Dataset[NDArray[np.int16]]):
    """The samples of utterances, decoded and resampled once, as 16-bit integers.

    A file that cannot be read is skipped: `failures` maps the index of its row to the error, and
    `utterances` holds the remaining rows in order. `oddities` holds the rows of clips in which
    `check_waveform` finds a problem, each with its problems; see `oddities.tell_oddities`.

    Parameters
    ----------
    utterances : rows of a corpus.
    sample_rate : sample rate in Hz to which every clip is resampled.
    """

    def __init__(self, utterances: Sequence[Utterance], sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.utterances: list[Utterance] = []
        self.failures: dict[int, str] = {}
        self.oddities: list[tuple[Utterance, str]] = []
        self._clips: list[NDArray[np.int16]] = []
        with _readers() as readers:
            for place, clip in enumerate(readers.map(self._read, utterances)):
                if isinstance(clip, SpeechRnnError):
                    self.failures[place] = str(clip)
                    continue
                samples, problems = clip
                self.utterances.append(utterances[place])
                self.oddities += [(utterances[place], problem) for problem in problems]
                self._clips.append(samples)
        if utterances and not self._clips:
            raise DataError(f"no clip can be read; the first: {self.failures[0]}")

    def _read(
        self, utterance: Utterance
    ) -> tuple[NDArray[np.int16], Sequence[str]] | SpeechRnnError:
        """Return the samples, and the problems that were found in them."""
        problems: list[str] = []
        try:
            if utterance.composition:
                read = partial(read_stretch, sample_rate=self.sample_rate, check=False)
                waveform = compose(utterance, self.sample_rate, read)
            else:
                # Silence is expected to be quiet.
                is_checked = utterance.gain == 1.0 and utterance.text != SILENCE
                check = problems.append if is_checked else False
                waveform = read_stretch(utterance, self.sample_rate, check=check)
        except SpeechRnnError as error:
            return error
        return quantize(waveform * utterance.gain), problems

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> NDArray[np.int16]:
        return self._clips[index]

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: the clips are the same in every epoch."""

    @property
    def n_samples(self) -> NDArray[np.int64]:
        """Number of samples of each clip."""
        return np.array([len(clip) for clip in self._clips], dtype=np.int64)

    def sha256(self) -> str:
        """Return a hash of all samples and texts, which identifies the data."""
        digest = hashlib.sha256()
        for utterance, clip in zip(self.utterances, self._clips, strict=True):
            digest.update(f"{utterance.text}\n{len(clip)}\n".encode())
            digest.update(clip.astype("<i2").tobytes())
        return digest.hexdigest()


@contextmanager
def _readers() -> Iterator[ThreadPoolExecutor]:
    """Yield threads that read files (libsndfile frees the GIL); an interrupt cancels the rest."""
    with ThreadPoolExecutor(os.cpu_count()) as readers:
        try:
            yield readers
        except BaseException:
            readers.shutdown(wait=False, cancel_futures=True)
            raise


def read_stretch(
    row: Utterance | Part, sample_rate: int, *, check: Check = True
) -> NDArray[np.float32]:
    """Return the samples (N,) of a stretch of a file; see `load_audio`."""
    return load_audio(
        row.audio,
        sample_rate,
        start_seconds=row.start_seconds,
        duration_seconds=row.duration_seconds,
        check=check,
    )


def quantize(waveform: NDArray[np.float32]) -> NDArray[np.int16]:
    """Round samples in [-1, 1] to 16 bits without a change of scale; louder samples are clipped."""
    return np.rint(waveform * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def read_clip(utterance: Utterance, sample_rate: int) -> NDArray[np.float32]:
    """Return the samples of one utterance, (N,) in [-1, 1], as training uses them.

    Raises
    ------
    DataError
        if the clip cannot be read.
    """
    return AudioCache([utterance], sample_rate)[0] / np.float32(FULL_SCALE)
