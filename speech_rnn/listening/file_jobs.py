"""Jobs over sound files: transcribing them, and finding words in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from speech_rnn.audio import Sound
from speech_rnn.decoding.choosing import choose_decoder
from speech_rnn.engines.loading import file_of
from speech_rnn.errors import DataError
from speech_rnn.listening.events import Event
from speech_rnn.listening.files import FileEnd, spot_files
from speech_rnn.listening.formats import json_line
from speech_rnn.listening.transcribing import FileResult, transcribe_files
from speech_rnn.parallel.job import Job
from speech_rnn.recognizer import Recognizer
from speech_rnn.storage.hashing import file_sha256

if TYPE_CHECKING:
    from speech_rnn.listening.options import StreamOptions

File = tuple[str, Sound]
"""The name of a file, and the sound or its path."""


class FileJob(Job, Protocol):
    """A job whose items are files, and whose rows can be kept as JSON Lines."""

    @property
    def multiple(self) -> int:
        """Divisor of the number of files in a part."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return what decides the rows, besides the files, as plain values.

        Raises
        ------
        SpeechRnnError
            if a file of the options cannot be read.
        """
        ...

    def line(self, row: Any) -> str | None:
        """Return a row as JSON; None for the end of a file that did not fail."""
        ...

    def has_failed(self, row: Any) -> bool:
        """Return whether the row says that its file failed."""
        ...

    def notes(self, row: Any) -> Sequence[str]:
        """Return problems of a file that did not prevent its recognition."""
        ...


@dataclass(frozen=True)
class TranscribeFiles:
    """Transcribe files; rows are `FileResult`.

    Parameters
    ----------
    model, device : as in `Recognizer.load`.
    decoding : options of `choose_decoder`.
    batch_size, channel : as in `transcribe_files`. Batches are those of one process, so that sums
        are computed in the same order.
    """

    model: Path
    device: str
    decoding: Mapping[str, Any]
    batch_size: int
    channel: int | None

    @property
    def multiple(self) -> int:
        """The size of a batch."""
        return self.batch_size

    def start(self) -> partial[Any]:
        """Load the recogniser, and return `transcribe_files` for it."""
        recognizer = Recognizer.load(self.model, device=self.device)
        recognizer.decoder = choose_decoder(recognizer.vocabulary, **self.decoding)
        return partial(
            transcribe_files, recognizer, batch_size=self.batch_size, channel=self.channel
        )

    def lost(self, item: File, reason: str) -> FileResult:
        """Return the row of a file that ended its process."""
        return FileResult(item[0], None, error=_ended(item, reason))

    def settings(self) -> dict[str, Any]:
        """Return what decides the rows."""
        files = {name: self.decoding[name] for name in ("grammar", "lm")}
        return {
            "verb": "transcribe",
            "model": _sha256("model", file_of(self.model)),
            **self.decoding,
            **{name: path and _sha256(name, path) for name, path in files.items()},
            "batch_size": self.batch_size,
            "channel": self.channel,
        }

    def line(self, row: FileResult) -> str:
        """Return a row as JSON."""
        return row.line()

    def has_failed(self, row: FileResult) -> bool:
        """Return whether a file failed."""
        return row.error is not None

    def notes(self, row: FileResult) -> Sequence[str]:
        """Return nothing: problems are warnings of the process that reads the file."""
        return ()


@dataclass(frozen=True)
class SpotFiles:
    """Find words in files; rows are `Event` and `FileEnd`.

    Parameters
    ----------
    model, device : as in `Recognizer.load`.
    options : settings of the detection and of the gate.
    channel : as in `spot_files`.
    """

    model: Path
    device: str
    options: StreamOptions
    channel: int | None

    @property
    def multiple(self) -> int:
        """One: each file is recognised by itself."""
        return 1

    def start(self) -> partial[Any]:
        """Load the recogniser, and return `spot_files` for it."""
        recognizer = Recognizer.load(self.model, device=self.device)
        return partial(
            spot_files,
            recognizer,
            spotting=self.options.spotting(recognizer.spotting, recognizer.vocabulary.head),
            gating=self.options.gating(),
            channel=self.channel,
        )

    def lost(self, item: File, reason: str) -> FileEnd:
        """Return the end of a file that ended its process."""
        return FileEnd(item[0], error=_ended(item, reason))

    def settings(self) -> dict[str, Any]:
        """Return what decides the rows."""
        model = _sha256("model", file_of(self.model))
        own = {"verb": "spot", "model": model, "channel": self.channel}
        return own | asdict(self.options)

    def line(self, row: Event | FileEnd) -> str | None:
        """Return an event or an error as JSON."""
        if isinstance(row, Event):
            return json_line(row)
        return None if row.error is None else row.error_line()

    def has_failed(self, row: Event | FileEnd) -> bool:
        """Return whether a file failed."""
        return isinstance(row, FileEnd) and row.error is not None

    def notes(self, row: Event | FileEnd) -> Sequence[str]:
        """Return the notes of the end of a file."""
        return [f"{row.file}: {note}" for note in row.notes] if isinstance(row, FileEnd) else ()


def _ended(item: File, reason: str) -> str:
    return f"{item[0]}: ended each process that read it ({reason}); leave it out, or repair it"


def _sha256(name: str, path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise DataError(f"{name}={str(path)!r} cannot be read ({error.strerror})") from error
