"""Words found in sound files of any length, in memory that does not grow with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from speech_rnn.audio import Sound
from speech_rnn.errors import AudioError, Stopped
from speech_rnn.listening.events import Event
from speech_rnn.listening.feed import Hearing
from speech_rnn.listening.interrupts import Stop
from speech_rnn.listening.sources import FileSource
from speech_rnn.recognizer import Recognizer
from speech_rnn.streaming.gate import Gating
from speech_rnn.streaming.spotter import Spotting

BLOCK_SECONDS = 1.0
"""Longer ones are no faster, and where a file is damaged, what is lost is a block."""

Progress = Callable[[str, float, float | None], None]
"""Is told a file, how many seconds of it were heard, and how many there are where that is known."""


@dataclass(frozen=True)
class FileEnd:
    """The end of a file.

    Parameters
    ----------
    file : its name.
    duration : the seconds that were heard.
    notes : problems of the sound, which was heard all the same.
    error : why it was not heard as a whole, or None.
    """

    file: str
    duration: float = 0.0
    notes: tuple[str, ...] = ()
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values: dict[str, Any] = {"file": self.file, "duration": round(self.duration, 4)}
        return values if self.error is None else values | {"error": self.error}

    def error_line(self) -> str:
        """Return what went wrong as a line of JSON."""
        return json.dumps({"file": self.file, "error": self.error}, ensure_ascii=False)


def spot_files(
    recognizer: Recognizer,
    files: Iterable[tuple[str, Sound]],
    *,
    spotting: Spotting | None = None,
    gating: Gating | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
    block_seconds: float = BLOCK_SECONDS,
    channel: int | None = None,
) -> Iterator[Event | FileEnd]:
    """Yield the events of each file as they are found, and its `FileEnd` after them.

    A file that fails costs itself alone, and what it holds up to there is told. The events do not
    depend on `block_seconds`.

    Parameters
    ----------
    files : (name, sound) pairs, of any rate and number of channels.
    spotting, gating : as in `Recognizer.stream`.
    progress : told after every block.
    stop : asked between two blocks.
    block_seconds : of sound that is read and heard at once.
    channel : as in `load_audio`.

    Raises
    ------
    ConfigurationError
        for a recogniser that cannot stream.
    Stopped
        after the words that were under way, where `stop` says so.
    """
    recognizer.stream(spotting=spotting, gating=gating)  # what does not fit is told before a file
    stop = stop or Stop()
    for name, sound in files:
        try:
            with stop.at_once():  # a pipe may take its time
                source = FileSource(
                    sound, name, is_fast=True, chunk_seconds=block_seconds, channel=channel
                )
        except AudioError as error:
            yield FileEnd(name, error=str(error))
            continue
        stream = recognizer.stream(
            source.sample_rate, spotting=spotting, gating=gating, check=False
        )
        yield from _spot(source, Hearing(stream, source.sample_rate), stop, progress)


def _spot(
    source: FileSource, hearing: Hearing, stop: Stop, progress: Progress | None
) -> Iterator[Event | FileEnd]:
    name, stopped, problems = source.name, None, []
    try:
        for _, words in hearing.words(source.chunks(stop)):
            for word in words:
                yield Event.of(name, word)
            if progress is not None:
                progress(name, hearing.duration, source.duration)
    except AudioError as error:
        problems.append(str(error))
    except Stopped as error:
        stopped = error
        problems.append(f"{name}: was read up to {hearing.duration:.1f} s only: interrupted")
    problems += [f"{name}: {problem}" for problem in hearing.problems()]
    told = "; ".join(problems) or None
    notes = (*source.problems(), *hearing.notes())
    yield FileEnd(name, hearing.duration, notes, told)
    if stopped is not None:
        raise stopped
