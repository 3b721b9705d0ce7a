"""A recording that a client sent becomes the words that `Recognizer.transcribe` gives."""

from __future__ import annotations

import io
from dataclasses import dataclass

from speech_rnn.audio import open_audio
from speech_rnn.decoding.hypothesis import Hypothesis
from speech_rnn.decoding.long_form import WINDOW_SECONDS
from speech_rnn.errors import AudioError
from speech_rnn.recognizer import Recognizer
from speech_rnn.serving.refusals import NO_SOUND, TOO_LARGE, RefusalError


@dataclass(frozen=True)
class Transcript:
    """The answer to a recording, and the duration of the recording in seconds."""

    hypothesis: Hypothesis
    duration: float


def transcribed(recognizer: Recognizer, content: bytes, most_seconds: float) -> Transcript:
    """Return what a recording says.

    Parameters
    ----------
    recognizer : answers, by its decoder.
    content : bytes of a sound file of any kind that `load_audio` reads.
    most_seconds : duration beyond which it is refused, in s.

    Raises
    ------
    RefusalError
        for what is no sound, and for a recording that is too long.
    """
    try:
        with open_audio(
            io.BytesIO(content), block_seconds=WINDOW_SECONDS, name="recording"
        ) as sound:
            if sound.duration is not None and sound.duration > most_seconds:
                raise _too_long(most_seconds)
            if sound.duration is not None and recognizer.is_long(sound.duration):
                blocks = sound.resampled(recognizer.sample_rate)
                return Transcript(recognizer.recognize_long(blocks), sound.duration)
            # the header may not hold the duration: one second too many is enough to see that
            waveform = sound.load(
                recognizer.sample_rate, duration_seconds=most_seconds + 1, check=False
            )
    except AudioError as error:
        raise RefusalError(NO_SOUND, str(error)) from error
    duration = len(waveform) / recognizer.sample_rate
    if duration > most_seconds:
        raise _too_long(most_seconds)
    return Transcript(recognizer.transcribe(waveform), duration)


def _too_long(most_seconds: float) -> RefusalError:
    return RefusalError(
        TOO_LARGE, f"recording: is longer than {most_seconds:g} s; send it in shorter parts"
    )
