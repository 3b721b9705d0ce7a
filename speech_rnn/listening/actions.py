"""Actions on events: run a program, or save the sound around the event."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import write_audio
from speech_rnn.data.word_folders import folder_of
from speech_rnn.errors import AudioError, ConfigurationError, DataError, did_you_mean
from speech_rnn.listening.events import Event
from speech_rnn.listening.formats import COLUMNS
from speech_rnn.storage import atomic
from speech_rnn.storage.hashing import file_sha256

Tell = Callable[[str], None]
"""A function that prints a problem while listening continues."""

PLACEHOLDER = re.compile(r"\{(\w+)\}")
INTERPRETER = re.compile(
    r"(?:.*/)?(?:r?bash|[akz]?sh|dash|t?csh|fish|python|pypy|perl|ruby|node|php|lua)[\d.]*"
)
CODE_OPTION = re.compile(r"-[A-Za-z]*[ceEr]|--(?:command|eval)")
"""An option that is followed by the text of a program, such as ``-c``, ``-lc`` or ``-e``."""
VALUE_OPTIONS = ("-o", "+o", "-O", "+O", "-W", "-X", "-I")
MOST_AT_ONCE = 8
LAST_SECONDS = 10.0
"""Longest wait in seconds for programs that still run at the end."""
LONGEST_SECONDS = 10.0
"""Longest word in seconds; its sound is kept until its event is decided."""


class Action(Protocol):
    """A consequence of events, such as a program that is run.

    Attributes
    ----------
    n_failures : number of events for which the action failed.
    """

    n_failures: int

    def hear(self, samples: NDArray[np.float32], events: Sequence[Event]) -> None:
        """Take the next samples, (n,), and the events that they decide."""

    def finish(self) -> None:
        """Complete the action at the end of the sound."""


class Command:
    """Runs a program for each event, without a shell, and does not wait for it.

    The command is split into arguments once, by the rules of a shell. ``{word}``, ``{start}``,
    ``{end}``, ``{confidence}`` and ``{file}`` are then filled in within their arguments, so that no
    event can add an argument. The program's output goes to stderr.

    Parameters
    ----------
    command : command line of the program.
    words : all possible values of ``{word}``.
    tell : called with a message if a program fails.

    Raises
    ------
    ConfigurationError
        if the command is empty or cannot be split; if its program is a placeholder or cannot be
        found; if a placeholder is unknown, or within the text of a program (``sh -c``); and if the
        program would take a word for an option.
    """

    def __init__(self, command: str, words: Sequence[str], tell: Tell) -> None:
        try:
            self._arguments = shlex.split(command)
        except ValueError as error:
            raise ConfigurationError(f"exec={command!r} cannot be split: {error}") from error
        if not self._arguments or PLACEHOLDER.search(self._arguments[0]):
            raise ConfigurationError(f"exec={command!r} must begin with the name of a program")
        if found := next(
            filter(None, map(PLACEHOLDER.search, _program_text(self._arguments))), None
        ):
            raise ConfigurationError(
                f"exec={command!r}: {found[0]} would be run as code of a program; pass it as "
                f"an argument: sh -c 'echo \"$1\"' - {found[0]}"
            )
        if shutil.which(self._arguments[0]) is None:
            raise ConfigurationError(
                f"exec={command!r}: no program {self._arguments[0]!r} is found; give its path"
            )
        for name in PLACEHOLDER.findall(command):
            if name not in COLUMNS:
                hint = did_you_mean(name, COLUMNS)
                raise ConfigurationError(f"exec={command!r}: {{{name}}} is unknown{hint}")
        if any(argument.startswith("{word}") for argument in self._arguments) and (
            bad := [word for word in words if word.startswith("-")]
        ):
            raise ConfigurationError(
                f"exec={command!r}: the word {bad[0]!r} would be read as an option; put "
                "something in front of {word}, such as word={word}"
            )
        self._tell = tell
        self._running: list[tuple[Event, subprocess.Popen[bytes]]] = []
        self.n_failures = 0

    def hear(self, samples: NDArray[np.float32], events: Sequence[Event]) -> None:
        """Start the program for each event that the next samples decide."""
        for event in events:
            self._run(event)
        self._check()

    def _run(self, event: Event) -> None:
        self._check()
        if len(self._running) >= MOST_AT_ONCE:
            self._fail(event, f"was not run: {MOST_AT_ONCE} still run")
            return
        values = {name: str(value) for name, value in event.to_dict().items()}
        arguments = [
            PLACEHOLDER.sub(lambda found: values[found[1]], argument)
            for argument in self._arguments
        ]
        try:
            # Output goes to stderr, because stdout is for the events.
            process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=2)
        except (OSError, ValueError) as error:
            self._fail(event, f"cannot be run: {error}")
        else:
            self._running.append((event, process))

    def _check(self) -> None:
        """Report programs that have failed."""
        for event, process in self._running:
            if process.poll():
                self._fail(event, f"ended with {process.returncode}")
        self._running = [
            (event, process) for event, process in self._running if process.returncode is None
        ]

    def finish(self) -> None:
        """Wait for programs that still run, for a limited time."""
        until = time.monotonic() + LAST_SECONDS
        for event, process in self._running:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._tell(f"exec: {self._arguments[0]!r} for {event.word!r} still runs")
        self._check()

    def _fail(self, event: Event, reason: str) -> None:
        self.n_failures += 1
        self._tell(f"exec: {self._arguments[0]!r} for {event.word!r} {reason}")


@dataclass(frozen=True)
class _Waiting:
    """An event whose sound is not yet complete."""

    event: Event
    start: int
    stop: int


def _program_text(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the arguments that a shell or another interpreter would execute as a program.

    These are the arguments after ``-c`` and the like (``sh -ec TEXT``), and the interpreter's own
    options.
    """
    for place, argument in enumerate(arguments):
        if not INTERPRETER.fullmatch(argument):
            continue
        is_text = is_value = False
        for following in arguments[place + 1 :]:
            if is_value:
                is_value = False
            elif following[:1] in ("-", "+"):
                yield following
                is_text = is_text or CODE_OPTION.fullmatch(following) is not None
                is_value = following in VALUE_OPTIONS
            else:  # a program's text, or its file
                if is_text:
                    yield following
                break


class SavedTriggers:
    """Saves the sound around each event as ``<root>/<word>/<name>.wav``, with a row of JSON.

    `speech_rnn.data.folder.Folder` can read the folder. To correct a false trigger, move it to the
    folder of the spoken word, or to ``_unknown_``.

    Parameters
    ----------
    root : destination folder.
    words : all words that can be detected.
    sample_rate : sample rate of the sound, in Hz.
    prefix : prefix of the file names, which is followed by the time of the event in milliseconds.
    model : file of the recogniser, whose hash is part of each row.
    tell : called with a message if a file cannot be written.
    before_seconds, after_seconds : duration of sound before and after an event.

    Raises
    ------
    ConfigurationError
        if durations are below 0, or a word cannot be the name of a folder.
    """

    def __init__(
        self,
        root: Path,
        words: Sequence[str],
        sample_rate: int,
        *,
        prefix: str,
        model: Path,
        tell: Tell,
        before_seconds: float = 0.5,
        after_seconds: float = 0.5,
    ) -> None:
        if not (0 <= before_seconds < np.inf and 0 <= after_seconds < np.inf):
            raise ConfigurationError(
                f"before_seconds={before_seconds} and after_seconds={after_seconds} must be 0 s or "
                "above"
            )
        self._folders = {word: root / folder_of(word) for word in words}
        self._rate, self._prefix, self._tell = sample_rate, prefix, tell
        self._before, self._after = before_seconds, after_seconds
        self._kept = np.zeros(0, np.float32)
        self._new: list[NDArray[np.float32]] = []  # pieces that are not yet in `_kept`
        self._n_new = 0
        self._first = 0  # position of the first kept sample in the stream
        self._waiting: list[_Waiting] = []
        self._row = {
            "model": str(model),
            "model_sha256": file_sha256(model),
        }
        self.n_saved = self.n_failures = 0

    def hear(self, samples: NDArray[np.float32], events: Sequence[Event]) -> None:
        """Take the next samples, (n,), and the events that they decide."""
        self._new.append(samples)
        self._n_new += len(samples)
        for event in events:
            start = max(0, round((event.start - self._before) * self._rate))
            self._waiting.append(
                _Waiting(event, start, round((event.end + self._after) * self._rate))
            )
        # Join once a second, because chunks may have few samples.
        if self._n_new >= self._rate:
            self._join()

    def _join(self) -> None:
        self._kept = np.concatenate([self._kept, *self._new])
        self._new, self._n_new = [], 0
        reached = self._first + len(self._kept)
        self._save([waiting for waiting in self._waiting if waiting.stop <= reached])
        longest = round((self._before + LONGEST_SECONDS) * self._rate)
        keep = min([reached - longest, *(waiting.start for waiting in self._waiting)])
        if keep > self._first:
            self._kept = self._kept[keep - self._first :].copy()
            self._first = keep

    def finish(self) -> None:
        """Save the remaining events, with the sound up to its end."""
        self._join()
        self._save(self._waiting)

    def _save(self, ready: list[_Waiting]) -> None:
        self._waiting = [waiting for waiting in self._waiting if waiting not in ready]
        for waiting in ready:
            try:
                self._write(waiting)
                self.n_saved += 1
            except (AudioError, DataError) as error:
                self.n_failures += 1
                self._tell(str(error))

    def _write(self, waiting: _Waiting) -> None:
        event = waiting.event
        start = max(waiting.start, self._first)
        samples = self._kept[start - self._first : waiting.stop - self._first]
        folder = self._folders[event.word]
        path = folder / f"{self._prefix}-{round(1000 * event.start):09}.wav"
        row: dict[str, Any] = {
            "audio": path.name,
            "text": event.word,
            **event.to_dict(),
            "clip_start": round(start / self._rate, 4),
            "duration": round(len(samples) / self._rate, 4),
            **self._row,
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_audio(path, samples, self._rate)
            atomic.write(
                path.with_suffix(".json"), json.dumps(row, ensure_ascii=False, indent=2) + "\n"
            )
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror})") from error
