"""Everything that a source gives through a stream, to its end, and what was wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from speech_rnn.decoding.hypothesis import Word
from speech_rnn.errors import AudioError, Stopped
from speech_rnn.streaming.stream import EventStream


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
    n_clipped : of these, beyond full scale.
    """

    def __init__(self, stream: EventStream, sample_rate: int) -> None:
        self._stream = stream
        self._rate = sample_rate
        self.n_samples = self.n_bad = self.n_clipped = 0

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
                self.n_clipped = self._stream.samples.n_clipped
                yield samples, words
        except (AudioError, Stopped) as error:
            ended = error
        yield np.zeros(0, np.float32), self._stream.finish()
        if ended is not None:
            raise ended

    def problems(self) -> list[str]:
        """Return what was wrong with the sound."""
        found = []
        if self.n_bad:
            found.append(
                f"{self.n_bad} samples that are no number (NaN or infinite) were heard as silence; "
                "repair it"
            )
        return found

    def _mended(self, chunk: NDArray[np.float32]) -> NDArray[np.float32]:
        self.n_samples += len(chunk)
        if np.isfinite(chunk).all():
            return chunk
        self.n_bad += int((~np.isfinite(chunk)).sum())
        return np.nan_to_num(chunk, nan=0.0, posinf=0.0, neginf=0.0)
