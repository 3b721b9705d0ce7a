"""Clips as 16-bit samples: what they offer wherever they are kept, and those in memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
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
from speech_rnn.samples.integers import FULL_SCALE, quantize
from speech_rnn.vocabulary import SILENCE

READ_AT_ONCE = 2048
"""Number of clips that threads read before the first of them is used up."""


class Lengths(Protocol):
    """Items of different lengths, which may change from epoch to epoch."""

    @property
    def n_samples(self) -> NDArray[np.int64]:
        """Length of each item."""

    def __len__(self) -> int: ...

    def set_epoch(self, epoch: int) -> None:
        """Prepare the items of an epoch."""


class Clips(Lengths, Protocol):
    """Clips with their rows."""

    sample_rate: int

    @property
    def utterances(self) -> Sequence[Utterance]:
        """Row of each clip."""

    def __getitem__(self, index: int) -> NDArray[np.int16]: ...


class KnownClips(Clips, Protocol):
    """Clips of which everything but their samples is known, wherever these are kept.

    A file that cannot be read is left out: `failures` maps the index of its row to the error, and
    `utterances` holds the remaining rows in order. `oddities` holds the rows of clips in which
    `check_waveform` finds a problem, each with its problems; see `oddities.tell_oddities`.
    """

    failures: dict[int, str]

    @property
    def oddities(self) -> Sequence[tuple[Utterance, str]]:
        """Rows of clips with a problem, each with its problem."""

    def is_silent(self, index: int) -> bool:
        """Return whether all samples of a clip are 0."""

    def digest(self, index: int) -> bytes:
        """Return the `sound_digest` of a clip."""

    def sha256(self) -> str:
        """Return a hash of all samples and texts, which identifies the data."""


class AudioCache(Dataset[NDArray[np.int16]]):
    """The samples of utterances, decoded and resampled once, as 16-bit integers; see `KnownClips`.

    Parameters
    ----------
    utterances : rows of a corpus.
    sample_rate : sample rate in Hz to which every clip is resampled.

    Raises
    ------
    DataError
        if there are rows, and none of their clips can be read.
    """

    def __init__(self, utterances: Sequence[Utterance], sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.utterances: list[Utterance] = []
        self.failures: dict[int, str] = {}
        self.oddities: list[tuple[Utterance, str]] = []
        self._clips: list[NDArray[np.int16]] = []
        for place, clip in enumerate(read_each(utterances, sample_rate)):
            if isinstance(clip, SpeechRnnError):
                self.failures[place] = str(clip)
                continue
            samples, problems = clip
            self.utterances.append(utterances[place])
            self.oddities += [(utterances[place], problem) for problem in problems]
            self._clips.append(samples)
        require_readable(len(self._clips), self.failures)

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

    def is_silent(self, index: int) -> bool:
        """Return whether all samples of a clip are 0."""
        return not self._clips[index].any()

    def digest(self, index: int) -> bytes:
        """Return the `sound_digest` of a clip."""
        return sound_digest(self._clips[index])

    def sha256(self) -> str:
        """Return a hash of all samples and texts, which identifies the data."""
        digest = CorpusHash()
        for utterance, clip in zip(self.utterances, self._clips, strict=True):
            digest.add(utterance.text, clip)
        return digest.hexdigest()


class CorpusHash:
    """A SHA-256 over the texts and samples of clips in their order."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, text: str, samples: NDArray[np.int16]) -> None:
        """Add a clip."""
        self._digest.update(f"{text}\n{len(samples)}\n".encode())
        self._digest.update(bytes_of(samples))

    def hexdigest(self) -> str:
        """Return the hash of the clips so far."""
        return self._digest.hexdigest()


def sound_digest(samples: NDArray[np.int16]) -> bytes:
    """Return the MD5 of samples, 16 bytes: that which a FLAC file of 16 bits holds of its sound."""
    return hashlib.md5(bytes_of(samples), usedforsecurity=False).digest()


def bytes_of(samples: NDArray[np.int16]) -> bytes:
    """Return samples as bytes, the low one of each first."""
    return samples.astype("<i2", copy=False).tobytes()


def require_readable(n_clips: int, failures: Mapping[int, str]) -> None:
    """Raise a `DataError` if no clip is left, and some failed."""
    if failures and not n_clips:
        raise DataError(f"no clip can be read; the first: {next(iter(failures.values()))}")


Read = tuple[NDArray[np.int16], Sequence[str]] | SpeechRnnError
"""The samples of a clip and the problems in them, or the error of one that cannot be read."""


def read_each(utterances: Sequence[Utterance], sample_rate: int) -> Iterator[Read]:
    """Read clips in threads and yield them in order; few are in memory at a time."""
    read = partial(read_utterance, sample_rate=sample_rate)
    with _readers() as readers:
        for start in range(0, len(utterances), READ_AT_ONCE):
            yield from readers.map(read, utterances[start : start + READ_AT_ONCE])


def read_utterance(utterance: Utterance, sample_rate: int) -> Read:
    """Return the samples of an utterance and the problems that were found in them, or the error."""
    problems: list[str] = []
    try:
        if utterance.composition:
            read = partial(read_stretch, sample_rate=sample_rate, check=False)
            waveform = compose(utterance, sample_rate, read)
        else:
            # Silence is expected to be quiet.
            is_checked = utterance.gain == 1.0 and utterance.text != SILENCE
            check = problems.append if is_checked else False
            waveform = read_stretch(utterance, sample_rate, check=check)
    except SpeechRnnError as error:
        return error
    return quantize(waveform * utterance.gain), problems


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


def read_clip(utterance: Utterance, sample_rate: int) -> NDArray[np.float32]:
    """Return the samples of one utterance, (N,) in [-1, 1], as training uses them.

    Raises
    ------
    DataError
        if the clip cannot be read.
    """
    return AudioCache([utterance], sample_rate)[0] / np.float32(FULL_SCALE)
