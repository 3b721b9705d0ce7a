"""The sound of a take as a client sent it: read, measured, and refused if it holds no speech."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import check_waveform, open_audio
from speech_rnn.audio.signal import MOST_CLIPPED
from speech_rnn.diagnosis.advice import advice, as_sentence
from speech_rnn.diagnosis.measures import measure
from speech_rnn.samples.downmix import Downmix
from speech_rnn.samples.levels import SILENCE_DB
from speech_rnn.serving.refusals import NO_SOUND, TOO_LARGE, RefusalError
from speech_rnn.serving.takes import NOISY

MOST_SECONDS = 10.0
"""Duration of a take in s, at most; the page asks for 2 s or a little more."""


@dataclass(frozen=True)
class TakeSound:
    """The sound of a take that can be kept.

    Parameters
    ----------
    samples : (N,) in [-1, 1].
    sample_rate : sample rate in Hz.
    level_db : peak level in dB of full scale.
    clipped : whether samples are cut off at full scale.
    findings : sentences on what is wrong, with what to do.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    level_db: float
    clipped: bool
    findings: tuple[str, ...]


def read_take(content: bytes, room: str, most_seconds: float = MOST_SECONDS) -> TakeSound:
    """Return the sound of a take.

    Parameters
    ----------
    content : bytes of a sound file.
    room : ``quiet`` or ``noisy``. In a noisy room, noise is not reported, and speech that does not
        stand out from it is reported, not refused.
    most_seconds : longest duration, in s.

    Raises
    ------
    RefusalError
        for a sound that is too long, not finite, silent, or without speech in a quiet room.
    AudioError
        for what is no sound.
    """
    with open_audio(io.BytesIO(content), name="take") as sound:
        rate, problems = sound.sample_rate, sound.problems
        # The header may not hold the duration: one second too many is enough to see that.
        recorded = sound.recorded(duration_seconds=most_seconds + 1)
    if not np.isfinite(recorded).all():
        raise RefusalError(NO_SOUND, "take: holds samples that are not numbers; record it again")
    if not len(recorded) or len(recorded) > most_seconds * rate:
        raise RefusalError(
            TOO_LARGE,
            f"take: lasts {len(recorded) / rate:.1f} s; at most {most_seconds:g} s are kept",
        )
    measures = measure(recorded, rate)
    noted = [*problems, *check_waveform(recorded, rate)]
    if room == NOISY:
        measures = replace(measures, snr_db=None)
    findings = (*map(as_sentence, noted), *advice(measures, None))
    level = measures.peak_db
    if level is None or level <= SILENCE_DB or (room != NOISY and measures.speech_start is None):
        raise RefusalError(NO_SOUND, " ".join(findings))
    return TakeSound(
        np.clip(Downmix()(recorded), -1, 1),
        rate,
        level,
        measures.clipped_share > MOST_CLIPPED,
        findings,
    )
