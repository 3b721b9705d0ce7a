"""Recognise batches of clips in this process, or in several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_rnn.data.batching import pad
from speech_rnn.decoding.decoder import Decoder
from speech_rnn.decoding.hypothesis import Hypothesis
from speech_rnn.errors import SpeechRnnError
from speech_rnn.parallel.crews import Spread
from speech_rnn.parallel.schedule import finished
from speech_rnn.recognizer import Recognizer
from speech_rnn.samples.integers import FULL_SCALE

Clip = NDArray[np.int16]
Batches = Iterable[Sequence[Clip]]
Answers = Iterator[tuple[int, list[Hypothesis]]]
"""The number of a batch, and the answers to its clips; in any order of the numbers."""
Recognize = Callable[[Recognizer, Batches, int], Answers]
"""A function of a recogniser, of batches at its sample rate, and of their number."""


def here(recognizer: Recognizer, batches: Batches, n_batches: int) -> Answers:
    """Recognise batches in this process."""
    for number, clips in enumerate(batches):
        yield number, answers_of(recognizer, clips)


def answers_of(recognizer: Recognizer, clips: Sequence[Clip]) -> list[Hypothesis]:
    """Recognise one batch of clips, (n,) each."""
    samples, lengths = pad(clips)
    return recognizer.recognize(samples.numpy() / np.float32(FULL_SCALE), lengths.numpy())


@dataclass(frozen=True)
class Elsewhere:
    """Recognise batches in other processes. The answers are those of `here`.

    Parameters
    ----------
    model, device : file of the recogniser, and device, as in `Recognizer.load`.
    spread : the processes.
    """

    model: str | Path
    device: str
    spread: Spread

    def __call__(self, recognizer: Recognizer, batches: Batches, n_batches: int) -> Answers:
        """Recognise batches with the decoder of `recognizer`.

        Raises
        ------
        SpeechRnnError
            if the processes cannot load the recogniser, or if they die one after the other.
        """
        job = RecognizeClips(self.model, self.device, recognizer.decoder)
        with self.spread.crew(job, n_batches) as crew:
            yield from finished(crew, job, enumerate(batches))


@dataclass(frozen=True)
class RecognizeClips:
    """A job whose items are clips, and whose rows are their hypotheses; see `Job`."""

    model: str | Path
    device: str
    decoder: Decoder

    def start(self) -> partial[list[Hypothesis]]:
        """Load the recogniser, and return `answers_of` for it."""
        recognizer = Recognizer.load(self.model, device=self.device)
        recognizer.decoder = self.decoder
        return partial(answers_of, recognizer)

    def lost(self, item: Clip, reason: str) -> Hypothesis:
        """Raise an error: figures without a clip would be those of other data."""
        raise SpeechRnnError(
            f"a clip of {len(item)} samples ended each process that recognised it ({reason}); "
            "check the memory of the machine, or use fewer processes"
        )
