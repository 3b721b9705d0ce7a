"""Run a source through a stream to its end, and collect its problems."""

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
"""Seconds of quiet sound after which the user of a microphone gets a note."""


class Feed:
    """Runs a source through a stream.

    Samples that are NaN or infinite are replaced by silence and counted, so that no time is shifted
    and the sound around them is not lost. An error of the source, or a request to stop, is raised
    after the words that are still open.

    Parameters
    ----------
    stream : stream of a recogniser.
    sample_rate : sample rate of the source, in Hz.

    Attributes
    ----------
    n_samples : number of samples so far.
    n_bad : number of those that were NaN or infinite.
    """

    def __init__(self, stream: EventStream, sample_rate: int) -> None:
        self._stream = stream
        self._rate = sample_rate
        self._levels = stream.samples.levels
        self._is_reported = False
        self.n_samples = self.n_bad = 0

    @property
    def duration(self) -> float:
        """Duration of the sound so far, in seconds."""
        return self.n_samples / self._rate

    def words(
        self, chunks: Iterable[NDArray[np.float32]]
    ) -> Iterator[tuple[NDArray[np.float32], list[Word]]]:
        """Yield each chunk, (n,), with the words that it decides; at the end the remaining words.

        Raises
        ------
        AudioError, Stopped
            if `chunks` raises them, after the remaining words.
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
        """Return the problems of the samples."""
        if not self.n_bad:
            return []
        return [
            f"{self.n_bad} samples that are not numbers (NaN or infinite) were replaced by "
            "silence; repair it"
        ]

    def early_notes(self) -> list[str]:
        """Return problems of the level, once, as soon as they are known."""
        if self._is_reported:
            return []
        if wrong := integer_scale(self._levels.peak):
            self._is_reported = True
            return [wrong]
        if self.duration < EARLY_SECONDS or low_level(self._levels.swing) is None:
            return []
        self._is_reported = True
        start = f"in {EARLY_SECONDS:g} s no sample was above"
        if self._levels.swing <= amplitude(SILENCE_DB):
            return [f"{start} {SILENCE_DB:g} dB of full scale: is the microphone muted?"]
        return [
            f"{start} {QUIET_DB:g} dB of full scale: if someone speaks, give the microphone more "
            "gain, or words are missed"
        ]

    def notes(self) -> list[str]:
        """Return problems of the level, unless `early_notes` has returned them."""
        levels = self._levels
        is_reported = self._is_reported and (low_level(levels.swing) or integer_scale(levels.peak))
        return [] if is_reported else levels.problems()

    def _mended(self, chunk: NDArray[np.float32]) -> NDArray[np.float32]:
        self.n_samples += len(chunk)
        if np.isfinite(chunk).all():
            return chunk
        self.n_bad += int((~np.isfinite(chunk)).sum())
        return np.nan_to_num(chunk, nan=0.0, posinf=0.0, neginf=0.0)
