"""Examine a recording, from a file or the microphone: figures, answer, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import Sound, check_waveform, open_audio, resample
from speech_rnn.diagnosis.advice import advice, as_sentence
from speech_rnn.diagnosis.answers import Answer, answer
from speech_rnn.diagnosis.measures import Measures, measure
from speech_rnn.errors import AudioError
from speech_rnn.listening.interrupts import Stop
from speech_rnn.listening.sources import Source
from speech_rnn.recognizer import Recognizer
from speech_rnn.samples.downmix import Downmix

MOST_SECONDS = 60.0
"""Seconds of a recording that are examined, at most."""


@dataclass(frozen=True)
class Examination:
    """A recording that was examined.

    Parameters
    ----------
    name : name of the file, or ``microphone``.
    form : format of the file, such as ``WAV, PCM_16``; empty for a microphone.
    seconds : duration of the whole recording; None if its file does not hold it.
    measures : figures of the first `MOST_SECONDS`.
    answer : answer of the recogniser.
    findings : sentences on what is wrong, with what to do.
    """

    name: str
    form: str
    seconds: float | None
    measures: Measures
    answer: Answer
    findings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "file": self.name,
            "format": self.form,
            "duration": self.seconds,
            **self.measures.to_dict(),
            "answer": self.answer.to_dict(),
            "findings": list(self.findings),
        }


def examine_file(recognizer: Recognizer, source: Sound, name: str) -> Examination:
    """Examine the first minute of a sound file.

    Raises
    ------
    AudioError
        if the file cannot be read, or holds NaN or infinite values.
    """
    with open_audio(source, name=name) as sound:
        recorded = sound.recorded(duration_seconds=MOST_SECONDS)
        if not np.isfinite(recorded).all():
            raise AudioError(
                f"{name}: holds samples that are not numbers (NaN or infinite); repair it"
            )
        form = f"{sound.file.format}, {sound.file.subtype}"
        duration, rate, problems = sound.duration, sound.sample_rate, sound.problems
    return _examined(recognizer, recorded, rate, name, form, duration, problems)


def examine_source(
    recognizer: Recognizer, source: Source, seconds: float, stop: Stop
) -> Examination:
    """Examine the next seconds of a microphone.

    Raises
    ------
    AudioError
        if the device stops sending.
    Stopped
        if `stop` was requested.
    """
    recorded = np.concatenate([*_first(source, seconds, stop)])[:, None]
    problems = tuple(source.problems())
    duration = len(recorded) / source.sample_rate
    return _examined(recognizer, recorded, source.sample_rate, source.name, "", duration, problems)


def _first(source: Source, seconds: float, stop: Stop) -> Iterator[NDArray[np.float32]]:
    left = round(seconds * source.sample_rate)
    for chunk in source.chunks(stop):
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return


def _examined(
    recognizer: Recognizer,
    recorded: NDArray[np.float32],
    rate: int,
    name: str,
    form: str,
    duration: float | None,
    problems: tuple[str, ...],
) -> Examination:
    measures = measure(recorded, rate)
    waveform = np.clip(Downmix()(recorded), -1, 1)
    own = np.clip(resample(waveform, rate, recognizer.sample_rate), -1, 1)
    answered = answer(recognizer, own)
    is_whole = duration is not None and duration <= measures.seconds + 1 / rate
    noted = [*problems, *check_waveform(recorded, rate)]
    findings = [*map(as_sentence, noted), *advice(measures, answered, is_whole)]
    return Examination(name, form, duration, measures, answered, tuple(findings))
