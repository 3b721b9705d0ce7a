"""The answer of a recogniser to a recording, the nearest words, and the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.decoding.hypothesis import Hypothesis
from speech_rnn.recognizer import Recognizer

N_NEAREST = 5


@dataclass(frozen=True)
class Answer:
    """The answer of a recogniser to a recording.

    Parameters
    ----------
    hypothesis : its answer, as `speech-rnn transcribe` gives it.
    nearest : words with their probabilities, the most probable first: of a classifier those of the
        clip, of a sequence the highest of any step. Empty for a recogniser of characters.
    least_evidence : evidence below which the answer is withheld; None if the recogniser has none.
    """

    hypothesis: Hypothesis
    nearest: tuple[tuple[str, float], ...]
    least_evidence: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            **self.hypothesis.to_dict(),
            "nearest": dict(self.nearest),
            "least_evidence": self.least_evidence,
        }


def answer(recognizer: Recognizer, waveform: NDArray[np.float32]) -> Answer:
    """Return a recogniser's answer to a waveform (N,) of its own sample rate."""
    hypothesis = recognizer.transcribe(waveform)
    limit = recognizer.calibration.unknown_below
    return Answer(
        hypothesis,
        _nearest(recognizer, waveform),
        limit if hypothesis.evidence is not None else None,
    )


def _nearest(
    recognizer: Recognizer, waveform: NDArray[np.float32]
) -> tuple[tuple[str, float], ...]:
    vocabulary = recognizer.vocabulary
    if vocabulary.unit == "characters":
        return ()
    (posteriors,) = recognizer.clip_posteriors(waveform[None], [len(waveform)])
    highest = posteriors.max(axis=0)
    words = vocabulary.words
    found = [
        (token, float(value))
        for token, value in zip(vocabulary.tokens, highest, strict=True)
        if token in words
    ]
    return tuple(sorted(found, key=lambda pair: -pair[1])[:N_NEAREST])
