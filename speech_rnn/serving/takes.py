"""The takes of a server: a folder of recordings that ``data=folder`` reads, and a table of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from threading import Lock
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import write_audio
from speech_rnn.data.word_folders import folder_of
from speech_rnn.errors import ConfigurationError
from speech_rnn.serving.refusals import UNKNOWN_TAKE, RefusalError
from speech_rnn.storage import atomic
from speech_rnn.storage.folders import make_folder, writing
from speech_rnn.storage.tables import made, read_records
from speech_rnn.storage.typed import typed

TABLE = "takes.jsonl"
QUIET, NOISY = "quiet", "noisy"
ROOMS = (QUIET, NOISY)
MOST_CHARACTERS = 60
"""Characters of the name of a speaker or a device, at most."""
MOST_OF_STEM = 40
"""Characters of a speaker in the name of a file, at most: at four bytes each, below 255."""
MOST_TAKES = 10_000
"""Takes of a folder, at most, so that a client cannot fill the disk."""


@dataclass(frozen=True)
class Take:
    """A recording of one word.

    Parameters
    ----------
    word : the word.
    file : path of the WAV file below the folder, with slashes.
    speaker : name of the speaker.
    device : name of the microphone; may be empty.
    room : ``quiet`` or ``noisy``.
    consent : the sentence to which the speaker agreed.
    date : date and time in ISO 8601.
    seconds : duration in s.
    level_db : peak level in dB of full scale.
    clipped : whether samples are cut off at full scale.
    """

    word: str
    file: str
    speaker: str
    device: str
    room: str
    consent: str
    date: str
    seconds: float
    level_db: float
    clipped: bool


@dataclass(frozen=True)
class Label:
    """A client's description of a take, with checked values.

    Parameters
    ----------
    word, speaker, device, room, consent : see `Take`.

    Raises
    ------
    ConfigurationError
        for a speaker or a device whose name is too long, a speaker without a letter or digit, an
        unknown room, a word that no folder can be named after, and without consent.
    """

    word: str
    speaker: str
    device: str
    room: str
    consent: str

    def __post_init__(self) -> None:
        if not self.consent:
            raise ConfigurationError(
                "consent is missing; a take is kept only if its speaker agrees to it"
            )
        if self.room not in ROOMS:
            raise ConfigurationError(f"room={self.room!r:.40} must be {' or '.join(ROOMS)}")
        for name in ("speaker", "device"):
            value = getattr(self, name)
            if len(value) > MOST_CHARACTERS:
                raise ConfigurationError(
                    f"{name}={value!r:.40} has more than {MOST_CHARACTERS} characters; shorten it"
                )
        if not self.stem:
            raise ConfigurationError(
                f"speaker={self.speaker!r} must have a letter or a digit; write a name"
            )
        _ = self.folder

    @property
    def folder(self) -> str:
        """Name of the folder of the word."""
        return folder_of(self.word)

    @property
    def stem(self) -> str:
        """Name of the speaker as a part of a file name: letters, digits and underscores."""
        return re.sub(r"\W+", "_", normalize("NFC", self.speaker)).strip("_")[:MOST_OF_STEM]


class Takes:
    """A folder with ``<word>/<speaker>_<number>.wav`` and the table ``takes.jsonl``.

    Each file has its row: a row is written before its file, and deleted after it. Rows without a
    file are ignored. Several threads may use one object.

    Parameters
    ----------
    folder : the folder, which is created.

    Raises
    ------
    DataError
        if the folder cannot be written, or its table has wrong rows.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = make_folder(folder, "record")
        self._lock = Lock()
        self._rows = {take.file: take for take in self._read()}

    @property
    def rows(self) -> list[Take]:
        """The takes, the oldest first."""
        return list(self._rows.values())

    def path(self, file: str) -> Path:
        """Return the path of a take.

        Raises
        ------
        RefusalError
            for a name that no take has.
        """
        if file not in self._rows:
            raise RefusalError(
                UNKNOWN_TAKE, f"take={file!r:.100} is not there; load the page again"
            )
        return self.folder / file

    def add(
        self,
        label: Label,
        samples: NDArray[np.float32],
        sample_rate: int,
        *,
        date: str,
        level_db: float,
        clipped: bool,
    ) -> Take:
        """Keep a recording, (N,) in [-1, 1], as a 16-bit WAV file.

        Raises
        ------
        ConfigurationError
            if there are too many.
        DataError, AudioError
            if the disk cannot be written.
        """
        with self._lock:
            if len(self._rows) >= MOST_TAKES:
                raise ConfigurationError(
                    f"there are {MOST_TAKES} takes already; delete some, or choose another folder"
                )
            take = Take(
                word=label.word,
                file=self._free(label),
                speaker=label.speaker,
                device=label.device,
                room=label.room,
                consent=label.consent,
                date=date,
                seconds=round(len(samples) / sample_rate, 3),
                level_db=round(level_db, 1),
                clipped=clipped,
            )
            self._write([*self._rows.values(), take])
            place = self.folder / take.file
            with writing(self.folder, "record"):
                place.parent.mkdir(exist_ok=True)
            try:
                write_audio(place, samples, sample_rate)
            finally:
                _remove_empty(place.parent)
            self._rows[take.file] = take
        return take

    def remove(self, file: str) -> None:
        """Delete a take.

        Raises
        ------
        RefusalError
            for a name that no take has.
        DataError
            if the disk cannot be written.
        """
        with self._lock:
            place = self.path(file)
            with writing(self.folder, "record"):
                place.unlink(missing_ok=True)
            _remove_empty(place.parent)
            del self._rows[file]
            self._write(self._rows.values())

    def _free(self, label: Label) -> str:
        """Return the first free name of a file."""
        names = (f"{label.folder}/{label.stem}_{number}.wav" for number in count(1))
        return next(name for name in names if not (self.folder / name).exists())

    def _write(self, rows: Iterable[Take]) -> None:
        lines = (json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
        with writing(self.folder, "record"):
            atomic.write(self.folder / TABLE, "".join(lines))

    def _read(self) -> list[Take]:
        table = self.folder / TABLE
        if not table.exists():
            return []
        rows = made(read_records(table, "record"), lambda _, row: typed(Take, row), table, "record")
        return [row for row in rows if (self.folder / row.file).is_file()]


def _remove_empty(folder: Path) -> None:
    """Remove the folder of a word that has no takes: a training would refuse it."""
    with suppress(OSError):
        folder.rmdir()
