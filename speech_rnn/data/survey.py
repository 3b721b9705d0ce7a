"""Lengths, digests and problems of clips. They are read once and kept beside the samples."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_rnn.data.cache import (
    CorpusHash,
    read_each,
    require_readable,
    sound_digest,
)
from speech_rnn.data.corpus import Utterance
from speech_rnn.errors import SpeechRnnError
from speech_rnn.storage.hashing import stamp_of
from speech_rnn.storage.packed import read_packed, write_packed

FORMAT = 1
"""Version of the files; those of another version are made again."""


@dataclass(frozen=True)
class Survey:
    """Lengths, digests and problems of the N clips that can be read.

    Parameters
    ----------
    n_samples : (N,) int64, number of samples of each clip.
    digests : (N, 16) uint8, the `sound_digest` of each clip.
    silent : (N,) bool, whether all samples of a clip are 0.
    failures : the error of each row that cannot be read, by the index of the row.
    oddities : indices of rows, each with a problem of its clip.
    sha256 : hash of all texts and samples.
    """

    n_samples: NDArray[np.int64]
    digests: NDArray[np.uint8]
    silent: NDArray[np.bool_]
    failures: dict[int, str]
    oddities: list[tuple[int, str]]
    sha256: str

    def write(self, path: Path) -> None:
        """Write the survey atomically.

        Raises
        ------
        OSError
            if it cannot be written.
        """
        arrays = {"n_samples": self.n_samples, "digests": self.digests, "silent": self.silent}
        plain = {
            "failures": [*self.failures.items()],
            "oddities": self.oddities,
            "sha256": self.sha256,
        }
        write_packed(path, arrays, plain, FORMAT)

    @classmethod
    def read(cls, path: Path) -> Survey | None:
        """Read a survey; None if it is missing, damaged or of another version."""
        if (found := read_packed(path, FORMAT)) is None:
            return None
        arrays, plain = found
        failures = {int(place): error for place, error in plain["failures"]}
        oddities = [(int(place), problem) for place, problem in plain["oddities"]]
        return cls(**arrays, failures=failures, oddities=oddities, sha256=plain["sha256"])


def survey(
    utterances: Sequence[Utterance],
    sample_rate: int,
    keep: Callable[[NDArray[np.int16]], object] = lambda samples: None,
) -> Survey:
    """Read every clip once, hand its samples to `keep`, and return what is known of them.

    Raises
    ------
    DataError
        if there are rows, and none of their clips can be read.
    """
    digest, n_samples, digests, silent = CorpusHash(), [], bytearray(), []
    failures: dict[int, str] = {}
    oddities: list[tuple[int, str]] = []
    for place, clip in enumerate(read_each(utterances, sample_rate)):
        if isinstance(clip, SpeechRnnError):
            failures[place] = str(clip)
            continue
        samples, problems = clip
        digest.add(utterances[place].text, samples)
        oddities += [(place, problem) for problem in problems]
        n_samples.append(len(samples))
        digests += sound_digest(samples)
        silent.append(not samples.any())
        keep(samples)
    require_readable(len(n_samples), failures)
    return Survey(
        np.array(n_samples, np.int64),
        np.frombuffer(digests, np.uint8).reshape(-1, 16),
        np.array(silent, np.bool_),
        failures,
        oddities,
        digest.hexdigest(),
    )


def origin(utterances: Sequence[Utterance], sample_rate: int) -> str:
    """Return a SHA-256 of the rows, the sample rate, and the size and time of each file."""
    digest = hashlib.sha256(f"{FORMAT} {sample_rate}\n".encode())
    stamps: dict[str, str] = {}
    for row in utterances:
        digest.update(f"{row!r}\n".encode(errors="surrogateescape"))
        parts = row.composition.parts if row.composition else (row,)
        noise = [row.composition.noise] if row.composition else []
        for path in [*(part.audio for part in parts), *noise]:
            if path not in stamps:
                stamps[path] = stamp_of(path)
                digest.update(stamps[path].encode())
    return digest.hexdigest()


class SurveyedClips(ABC):
    """The clips of a survey, wherever their samples are; see `KnownClips`."""

    def __init__(self, utterances: Sequence[Utterance], sample_rate: int, found: Survey) -> None:
        self.sample_rate, self._survey = sample_rate, found
        self.failures = found.failures
        self.utterances = [
            row for place, row in enumerate(utterances) if place not in self.failures
        ]
        self.oddities = [(utterances[place], problem) for place, problem in found.oddities]

    def __len__(self) -> int:
        return len(self.utterances)

    @abstractmethod
    def __getitem__(self, index: int) -> NDArray[np.int16]: ...

    def set_epoch(self, epoch: int) -> None:  # noqa: B027
        """Do nothing: the clips are the same in every epoch."""

    @property
    def n_samples(self) -> NDArray[np.int64]:
        """Number of samples of each clip."""
        return self._survey.n_samples

    def is_silent(self, index: int) -> bool:
        """Return whether all samples of a clip are 0."""
        return bool(self._survey.silent[index])

    def digest(self, index: int) -> bytes:
        """Return the `sound_digest` of a clip."""
        return self._survey.digests[index].tobytes()

    def sha256(self) -> str:
        """Return a hash of all samples and texts, which identifies the data."""
        return self._survey.sha256
