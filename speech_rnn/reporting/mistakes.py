"""The most confident errors of a run, to see and to listen to."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import torch

from speech_rnn.audio import AudioWarning
from speech_rnn.data.cache import read_clip
from speech_rnn.data.corpus import Utterance
from speech_rnn.decoding.hypothesis import Hypothesis
from speech_rnn.errors import SpeechRnnError
from speech_rnn.evaluation.results import Row
from speech_rnn.features import LogMel
from speech_rnn.metrics import align_words
from speech_rnn.recognizer import Recognizer
from speech_rnn.reporting import pictures
from speech_rnn.reporting.pictures import Span
from speech_rnn.reporting.playback import LONGEST_SECONDS, embedded, played
from speech_rnn.reporting.run_folder import RunFolder

MOST_ERRORS = 12
MOST_SOUND = 1_500_000
"""Largest size of the sounds in a page, in characters, so that it can be sent by mail."""

Words = list[tuple[str, bool]]
"""Words, each with whether the other side has the same one at this place; "" for a missing one."""


@dataclass(frozen=True)
class Mistake:
    """An utterance with a wrong answer.

    Parameters
    ----------
    spoken, recognised : the label and the answer.
    note : confidence of the answer, speaker, and file.
    words : words of label and answer, aligned; empty for single words.
    picture : an SVG of the sound; empty, like `sound`, if the file can no longer be read.
    sound : a FLAC file in base64.
    """

    spoken: str
    recognised: str
    note: str
    words: tuple[Words, Words] | tuple[()] = ()
    picture: str = ""
    sound: str = ""


def mistakes(run: RunFolder) -> list[Mistake]:
    """Return the most confident errors of a run, in descending order."""
    rows = run.evaluation.rows if run.evaluation else ()
    wrong = [(row, row.hypothesis) for row in rows if row.hypothesis and not row.is_correct]
    wrong.sort(key=lambda pair: -pair[1].confidence)
    found: list[Mistake] = []
    room = MOST_SOUND
    for row, answer in wrong[:MOST_ERRORS]:
        with warnings.catch_warnings():  # the evaluation has reported problems already
            warnings.simplefilter("ignore", AudioWarning)
            mistake = _mistake(run.recognizer, row, answer)
        if len(mistake.sound) > room:
            note = f"{mistake.note} · its sound is left out, to keep the page small"
            mistake = replace(mistake, note=note, sound="")
        room -= len(mistake.sound)
        found.append(mistake)
    return found


def _mistake(recognizer: Recognizer, row: Row, answer: Hypothesis) -> Mistake:
    utterance = row.utterance
    who = f"{utterance.speaker} " if utterance.speaker else ""
    mistake = Mistake(
        utterance.text,
        row.label or "nothing",
        f"confidence {answer.confidence:.3f} · {who}{utterance.audio}",
    )
    if recognizer.model.head == "ctc":
        mistake = replace(mistake, words=_aligned(row))
    try:
        samples = played(utterance)
        picture = _picture(recognizer, utterance, answer)
    except SpeechRnnError:  # the file no longer exists
        return mistake
    return replace(mistake, picture=picture, sound=embedded(samples))


def _aligned(row: Row) -> tuple[Words, Words]:
    pairs = align_words(row.spoken, row.recognised)
    same = [pair.reference == pair.hypothesis for pair in pairs]
    return (
        [(pair.reference or "", right) for pair, right in zip(pairs, same, strict=True)],
        [(pair.hypothesis or "", right) for pair, right in zip(pairs, same, strict=True)],
    )


def _picture(recognizer: Recognizer, utterance: Utterance, answer: Hypothesis) -> str:
    """Draw the start of an utterance; attention weights are those of the whole utterance."""
    rate, features = recognizer.sample_rate, recognizer.features
    samples = torch.from_numpy(read_clip(utterance, rate))
    seconds = len(samples) / rate
    shown = samples[: round(LONGEST_SECONDS * rate)]
    attention = None
    with torch.inference_mode():
        if recognizer.model.attend is not None:
            padded = _at_least(samples, features.win_length)[None]
            frames, lengths = features(padded, torch.tensor([padded.shape[1]]))
            weights = recognizer.model.attention(frames, lengths)[0]  # (n_heads, T)
            kept = max(1, round(weights.shape[1] * min(1.0, LONGEST_SECONDS / seconds)))
            attention = weights[:, :kept].numpy()
        mel = LogMel(sample_rate=rate)  # independent of the recogniser's features
        padded = _at_least(shown, mel.win_length)[None]
        spectrum, _ = mel(padded, torch.tensor([padded.shape[1]]))
    spans: list[list[Span]] = []
    if recognizer.model.head == "ctc":
        spans = [[(word.word, word.start, word.end) for word in answer.words]]
        if utterance.composition:
            spoken = [
                (part.text, part.at_seconds, part.at_seconds + part.duration_seconds)
                for part in utterance.composition.words
            ]
            spans.insert(0, spoken)
    description = (
        f"spoken {utterance.text}, recognised {answer.label or 'nothing'}, {utterance.audio}"
    )
    return pictures.clip(
        shown.numpy(),
        rate,
        spectrum[0].numpy(),
        attention,
        spans,
        f"Waveform and spectrogram: {description}",
    )


def _at_least(samples: torch.Tensor, length: int) -> torch.Tensor:
    return torch.nn.functional.pad(samples, (0, max(0, length - len(samples))))
