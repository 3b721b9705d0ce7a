"""Detect words in sound files of any length, in constant memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from speech_rnn.audio import Sound
from speech_rnn.errors import AudioError, Stopped
from speech_rnn.listening.events import Event
from speech_rnn.listening.feed import Feed
from speech_rnn.listening.interrupts import Stop
from speech_rnn.listening.sources import FileSource
from speech_rnn.recognizer import Recognizer
from speech_rnn.streaming.gate import Gating
from speech_rnn.streaming.spotter import Spotting

BLOCK_SECONDS = 1.0
"""Duration of a block: longer ones are no faster, and a damaged file loses one block."""

Progress = Callable[[str, float, float | None], None]
"""A function of a file's name, the seconds processed so far, and the total if it is known."""


@dataclass(frozen=True)
class FileEnd:
    """The end of a file.

    Parameters
    ----------
    file : name of the file.
    duration : processed duration in seconds.
    notes : problems of the sound that did not prevent processing.
    error : reason why the file was not processed completely, or None.
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
        """Return the error as a line of JSON."""
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
    """Yield the events of each file as they are detected, followed by its `FileEnd`.

    If a file fails, its events so far are yielded and the next file follows. The events do not
    depend on `block_seconds`.

    Parameters
    ----------
    files : (name, sound) pairs, of any sample rate and number of channels.
    spotting, gating : as in `Recognizer.stream`.
    progress : called after every block.
    stop : checked between two blocks.
    block_seconds : duration of a block, in seconds.
    channel : as in `load_audio`.

    Raises
    ------
    ConfigurationError
        if the recogniser cannot stream.
    Stopped
        if `stop` was requested, after the words that are still open.
    """
    recognizer.stream(spotting=spotting, gating=gating)  # raise before the first file is opened
    stop = stop or Stop()
    for name, sound in files:
        try:
            with stop.at_once():  # a pipe may block
                source = FileSource(
                    sound, name, is_fast=True, chunk_seconds=block_seconds, channel=channel
                )
        except AudioError as error:
            yield FileEnd(name, error=str(error))
            continue
        stream = recognizer.stream(
            source.sample_rate, spotting=spotting, gating=gating, check=False
        )
        yield from _spot(source, Feed(stream, source.sample_rate), stop, progress)


def _spot(
    source: FileSource, feed: Feed, stop: Stop, progress: Progress | None
) -> Iterator[Event | FileEnd]:
    name, stopped, problems = source.name, None, []
    try:
        for _, words in feed.words(source.chunks(stop)):
            for word in words:
                yield Event.of(name, word)
            if progress is not None:
                progress(name, feed.duration, source.duration)
    except AudioError as error:
        problems.append(str(error))
    except Stopped as error:
        stopped = error
        problems.append(f"{name}: was read up to {feed.duration:.1f} s only: interrupted")
    problems += [f"{name}: {problem}" for problem in feed.problems()]
    failure = "; ".join(problems) or None
    notes = (*source.problems(), *feed.notes())
    yield FileEnd(name, feed.duration, notes, failure)
    if stopped is not None:
        raise stopped
