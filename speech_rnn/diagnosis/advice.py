"""One plain sentence for each finding that matters, with what to do."""

from __future__ import annotations

from speech_rnn.audio.signal import LEAST_RATE
from speech_rnn.diagnosis.answers import Answer
from speech_rnn.diagnosis.measures import Measures

NARROW_HZ = 5_000.0
"""Bandwidth below which a recording counts as narrow: telephones and Bluetooth headsets that record
end at 3.4 to 4 kHz, where the consonants f, s and th begin."""
LOW_SNR_DB = 10.0
"""SNR in dB below which noise costs many answers. The recogniser of the package understands 95 % of
250 commands (validation split of Speech Commands) without noise. In pink noise it understands 88 %
at 10 dB and 79 % at 5 dB; beside a running tap, 86 and 80 %. An SNR of 5 dB is estimated as 8.5."""
EDGE_SECONDS = 0.02
"""Speech that lies nearer to an end of the recording may be cut off."""
SHORT_SECONDS = 0.1
"""No word is shorter."""


def advice(measures: Measures, answer: Answer | None, is_whole: bool = True) -> list[str]:
    """Return what to do about the figures of a recording and the answer to it.

    What `speech_rnn.audio.check_waveform` finds is not repeated.

    Parameters
    ----------
    measures : figures of the recording.
    answer : answer of a recogniser, or None.
    is_whole : whether the measured part ends where the recording ends.
    """
    found = [*_of_band(measures), *_of_speech(measures, is_whole)]
    return found if answer is None else [*found, *_of_answer(measures, answer)]


def as_sentence(problem: str) -> str:
    """Return a problem, such as ``is quiet: …`` or ``its channels …``, as a sentence."""
    subject = "" if problem.startswith("its ") or problem[:1].isdigit() else "It "
    text = f"{subject}{problem}"
    return f"{text[:1].upper()}{text[1:]}."


def _of_band(measures: Measures) -> list[str]:
    end = measures.bandwidth_hz
    if end is None or end >= NARROW_HZ or measures.sample_rate < LEAST_RATE:
        return []
    return [
        f"The spectrum ends at {end / 1000:.1f} kHz, as that of a telephone does, and consonants "
        "such as f and s are lost: record at 16 kHz or more, without a telephone line or the "
        "microphone of a Bluetooth headset, and do not compress it."
    ]


def _of_speech(measures: Measures, is_whole: bool) -> list[str]:
    start, end, snr_db = measures.speech_start, measures.speech_end, measures.snr_db
    if measures.seconds < SHORT_SECONDS:
        return [
            f"The recording lasts {measures.seconds:.3f} s, which is too short for a word: hold "
            "the record button longer."
        ]
    if start is None or end is None:
        return [
            "No speech stands out from the noise: speak nearer to the microphone, check that the "
            "right one is chosen, and leave half a second of pause before and after."
        ]
    found = []
    if start < EDGE_SECONDS:
        found.append(
            "The sound begins at full strength, so that the first word may be cut off: start "
            "recording half a second before you speak."
        )
    if is_whole and measures.seconds - end < EDGE_SECONDS:
        found.append(
            "The sound ends at full strength, so that the last word may be cut off: stop "
            "recording half a second after you have spoken."
        )
    if snr_db is not None and snr_db < LOW_SNR_DB:
        found.append(
            f"The speech is only {snr_db:.0f} dB above the noise: move the microphone nearer, or "
            "turn off what makes the noise. Half the distance gives 6 dB."
        )
    return found


def _of_answer(measures: Measures, answer: Answer) -> list[str]:
    hypothesis, limit = answer.hypothesis, answer.least_evidence
    if hypothesis.words or measures.speech_start is None:
        return []
    evidence = hypothesis.evidence
    if limit is not None and evidence is not None and evidence < limit:
        return [
            f"The evidence for a word is {evidence:.2f}. The answer is empty, because the "
            f"recogniser's limit is {limit:.2f}: the sound is unlike its training. Say one of its "
            "words (speech-rnn models lists them), or train it with recordings like this one."
        ]
    near = f" The nearest word is {answer.nearest[0][0]}." if answer.nearest else ""
    return [
        f"There is speech, but no word was recognised.{near} Say one of the recogniser's words "
        "(speech-rnn models lists them), or add your own word with speech-rnn learn."
    ]
