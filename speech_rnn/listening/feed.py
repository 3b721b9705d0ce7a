"""Everything that a source gives through a stream, to its end, and what was wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from speech_rnn.decoding.hypothesis import Word
from speech_rnn.errors import AudioError, Stopped
from speech_rnn.samples.levels import (
    QUIET_DB,
    SILENCE_DB,
    amplitude,
    integer_scale,
    low_level,
)
from speech_rnn.streaming.stream import EventStream

EARLY_SECONDS = 5.0
"""After so many seconds of too quiet sound, a person at a microphone is told."""


class Hearing:
    """Hears a source with a stream.

    A sample that is no number is heard as silence and counted: so no time shifts, and what is
    around it is not lost. What ends a source, an error or the wish to stop, comes after the words
    that were under way.

    Parameters
    ----------
    stream : of a recogniser.
    sample_rate : of the source, in Hz.

    Attributes
    ----------
    n_samples : heard so far.
    n_bad : of these, no number.
    """

    def __init__(self, stream: EventStream, sample_rate: int) -> None:
        self._stream = stream
        self._rate = sample_rate
        self._levels = stream.samples.levels
        self._has_told = False
        self.n_samples = self.n_bad = 0

    @property
    def duration(self) -> float:
        """The seconds that were heard."""
        return self.n_samples / self._rate

    def words(
        self, chunks: Iterable[NDArray[np.float32]]
    ) -> Iterator[tuple[NDArray[np.float32], list[Word]]]:
        """Yield each chunk, (n,), with the words that it decides; last, without samples, the rest.

        Raises
        ------
        AudioError, Stopped
            which `chunks` raises, after the rest.
        """
        ended: AudioError | Stopped | None = None
        try:
            for chunk in chunks:
                samples = self._mended(chunk)
                words = self._stream.push(samples)
                yield samples, words
        except (AudioError, Stopped) as error:
            ended = error
        yield np.zeros(0, np.float32), self._stream.finish()
        if ended is not None:
            raise ended

    def problems(self) -> list[str]:
        """Return what was wrong with the samples."""
        if not self.n_bad:
            return []
        return [
            f"{self.n_bad} samples that are not numbers (NaN or infinite) were replaced by "
            "silence; repair it"
        ]

    def early_notes(self) -> list[str]:
        """Return, once and as soon as it is known, what is wrong with the level."""
        if self._has_told:
            return []
        if wrong := integer_scale(self._levels.peak):
            self._has_told = True
            return [wrong]
        if self.duration < EARLY_SECONDS or low_level(self._levels.swing) is None:
            return []
        self._has_told = True
        start = f"in {EARLY_SECONDS:g} s no sample was above"
        if self._levels.swing <= amplitude(SILENCE_DB):
            return [f"{start} {SILENCE_DB:g} dB of full scale: is the microphone muted?"]
        return [
            f"{start} {QUIET_DB:g} dB of full scale: if someone speaks, give the microphone more "
            "gain, or words are missed"
        ]

    def notes(self) -> list[str]:
        """Return what was wrong with the level, unless `early_notes` has told it."""
        levels = self._levels
        has_told = self._has_told and (low_level(levels.swing) or integer_scale(levels.peak))
        return [] if has_told else levels.problems()

    def _mended(self, chunk: NDArray[np.float32]) -> NDArray[np.float32]:
        self.n_samples += len(chunk)
        if np.isfinite(chunk).all():
            return chunk
        self.n_bad += int((~np.isfinite(chunk)).sum())
        return np.nan_to_num(chunk, nan=0.0, posinf=0.0, neginf=0.0)
