"""Transcribe sound files in batches."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any

from speech_rnn.audio import Sound
from speech_rnn.decoding.hypothesis import Hypothesis
from speech_rnn.errors import SpeechRnnError
from speech_rnn.recognizer import Clip, LongFile, Recognizer


@dataclass(frozen=True)
class FileResult:
    """The result of one file: a hypothesis and the duration in seconds, or an error."""

    file: str
    hypothesis: Hypothesis | None
    duration: float | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for one line of JSON."""
        if self.hypothesis is None:
            return {"file": self.file, "error": self.error}
        return {"file": self.file, "duration": self.duration, **self.hypothesis.to_dict()}

    def line(self) -> str:
        """Return the result as a line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)


def transcribe_files(
    recognizer: Recognizer,
    files: Iterable[tuple[str, Sound]],
    batch_size: int = 32,
    *,
    channel: int | None = None,
) -> Iterator[FileResult]:
    """Transcribe (name, sound) pairs in batches; results come in the same order.

    If a file cannot be read, its result has the error, and the other files are still transcribed.
    A batch is read while the one before is recognised, so two batches are in memory. A recogniser
    of sequences reads files of more than a minute in windows.

    Parameters
    ----------
    files : (name, sound) pairs.
    batch_size : number of files recognised at once.
    channel : as in `load_audio`.
    """
    pending = iter(files)
    with ThreadPoolExecutor(os.cpu_count()) as readers:

        def read_on() -> list[tuple[str, Future[Clip]]]:
            return [
                (name, readers.submit(recognizer.read, sound, name, channel))
                for name, sound in islice(pending, batch_size)
            ]

        ahead = read_on()
        while batch := ahead:
            wait(clip for _, clip in batch)
            ahead = read_on()
            read = [clip.result() for _, clip in batch if not clip.exception()]
            good = [clip for clip in read if not isinstance(clip, LongFile)]
            answers = iter(recognizer.answer_all(good))
            for name, clip in batch:
                yield _result(recognizer, name, clip, answers)


def _result(
    recognizer: Recognizer, name: str, reading: Future[Clip], answers: Iterator[Hypothesis]
) -> FileResult:
    try:
        clip = reading.result()
        if isinstance(clip, LongFile):
            return FileResult(name, recognizer.answer(clip), round(clip.sound.duration or 0.0, 4))
    except SpeechRnnError as error:
        return FileResult(name, None, error=str(error))
    return FileResult(name, next(answers), round(len(clip) / recognizer.sample_rate, 4))
