"""A gate that passes sound above the noise floor, so that silence costs next to nothing.

The energy of frames of 10 ms is measured twice: as they are, which detects vowels in hiss, and
differenced, which detects consonants over hum. Each has its own noise floor, the minimum of its
level over the last seconds (minimum statistics: Martin, 2001). A floor falls immediately, and rises
once louder noise has lasted.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech_rnn.errors import ConfigurationError

FRAME_SECONDS = 0.01
RISE = 3
"""Number of frames whose mean energy opens the gate; a click is shorter."""
LEVEL = 10
"""Number of frames whose mean energy may be the floor; fewer would underestimate the noise."""
PARTS = 8
"""Number of parts of a floor's memory, which are dropped one at a time."""


@dataclass(frozen=True)
class Gating:
    """Settings of the gate.

    Parameters
    ----------
    margin_db : level above the noise floor that opens the gate, in dB. At 4, steady noise keeps it
        closed and digits at 10 dB SNR open it; at 3, pink noise opened it a quarter of the time.
    hangover_seconds : seconds for which the gate stays open after the sound is quiet again.
    preroll_seconds : seconds of sound before the gate opened that also pass, because the beginning
        of a word may be quiet.
    floor_seconds : seconds after which steady louder sound becomes the new noise floor. Words must
        be shorter.
    least_db : level in dB of full scale below which all sound is silence.

    Raises
    ------
    ConfigurationError
        if a value is out of its range.
    """

    margin_db: float = 4.0
    hangover_seconds: float = 0.7
    preroll_seconds: float = 0.3
    floor_seconds: float = 4.0
    least_db: float = -70.0

    def __post_init__(self) -> None:
        for name in ("hangover_seconds", "preroll_seconds"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ConfigurationError(f"{name}={getattr(self, name)!r} must be 0 s or above")
        if not 0 < self.margin_db < np.inf:
            raise ConfigurationError(f"margin_db={self.margin_db!r} must be above 0 dB")
        if not 1 <= self.floor_seconds < np.inf:
            raise ConfigurationError(f"floor_seconds={self.floor_seconds!r} must be 1 s or above")
        if not -np.inf < self.least_db <= 0:
            raise ConfigurationError(f"least_db={self.least_db!r} must be finite and at most 0 dB")


@dataclass(frozen=True)
class Stretch:
    """Samples that passed the gate.

    Parameters
    ----------
    start : position of the first sample in the stream.
    samples : (n,); n may be 0 when the gate closes.
    opens, closes : whether the gate opened before the first sample, and closed after the last one.
        Its first samples may also be the last ones of the stretch before.
    """

    start: int
    samples: NDArray[np.float32]
    opens: bool
    closes: bool


class Gate:
    """Passes stretches of a stream, independently of how the stream is cut. Needs no torch.

    Until a floor is known, for an eighth of `floor_seconds`, everything but silence passes.

    Parameters
    ----------
    gating : settings of the gate.
    sample_rate : sample rate of the stream, in Hz.
    """

    def __init__(self, gating: Gating, sample_rate: int) -> None:
        self.gating = gating
        self._size = max(1, round(FRAME_SECONDS * sample_rate))
        self._hangover, self._preroll = (
            round(seconds * sample_rate / self._size)
            for seconds in (gating.hangover_seconds, gating.preroll_seconds)
        )
        self._part = max(LEVEL, round(gating.floor_seconds * sample_rate / self._size / PARTS))
        self._begin()

    def _begin(self) -> None:
        self._kept = np.zeros(1, np.float32)  # a zero before the first, for the first difference
        self._first = -1  # position of the first kept sample
        self._frame = 0  # index of the first frame that is not yet measured
        self._left = 0  # number of frames for which the gate stays open
        self._floors = [_Floor(self.gating, self._part) for _ in range(2)]

    def push(self, samples: NDArray[np.float32]) -> list[Stretch]:
        """Take the next samples, (n,) with any n, and return the parts of the stream that pass."""
        self._kept = np.concatenate([self._kept, samples])
        n_frames = (self._first + len(self._kept)) // self._size - self._frame
        if not n_frames:
            return []
        found, begin, opens = [], self._frame, False
        as_it_is, differenced = self._measure(n_frames)
        for frame, energies in enumerate(zip(as_it_is, differenced, strict=True), start=begin):
            rises = [
                floor.rises(energy) for floor, energy in zip(self._floors, energies, strict=True)
            ]
            if any(rises):
                if not self._left:
                    begin, opens = frame, True
                self._left = self._hangover + 1
            elif self._left:
                self._left -= 1
                if not self._left:
                    found.append(self._stretch(begin, frame, opens, closes=True))
                    opens = False
        self._frame += n_frames
        if self._left:
            found.append(self._stretch(begin, self._frame, opens, closes=False))
        unneeded = (self._frame - self._preroll) * self._size - 1 - self._first
        if unneeded > 0:
            self._kept = self._kept[unneeded:]
            self._first += unneeded
        return found

    def finish(self) -> list[Stretch]:
        """End the stream and return the rest of an open stretch. The next push begins another."""
        start = self._frame * self._size
        left = self._kept[start - self._first :]
        found = [Stretch(start, left, opens=False, closes=True)] if self._left else []
        self._begin()
        return found

    def _measure(self, n_frames: int) -> tuple[list[float], list[float]]:
        """Return the mean energies of the new frames: without their mean, and differenced."""
        start = self._frame * self._size - self._first
        stop = start + n_frames * self._size
        samples = self._kept[start - 1 : stop].astype(np.float64)
        frames = samples[1:].reshape(n_frames, self._size)
        steps = (samples[1:] - samples[:-1]).reshape(n_frames, self._size)
        mean = np.add.reduce(frames, axis=1) / self._size
        energy = np.einsum("ij,ij->i", frames, frames) / self._size - mean**2
        return energy.tolist(), (np.einsum("ij,ij->i", steps, steps) / self._size).tolist()

    def _stretch(self, begin: int, stop: int, opens: bool, closes: bool) -> Stretch:
        """Cut frames from the kept samples, with the pre-roll if they open the gate."""
        start = max(0, begin - self._preroll if opens else begin) * self._size
        samples = self._kept[start - self._first : stop * self._size - self._first]
        return Stretch(start, samples, opens, closes)


class _Floor:
    """Decides whether an energy is above the noise floor."""

    def __init__(self, gating: Gating, part: int) -> None:
        self._ratio, self._least = 10 ** (gating.margin_db / 10), 10 ** (gating.least_db / 10)
        self._part = part
        self._short: deque[float] = deque(maxlen=RISE)
        self._long: deque[float] = deque(maxlen=LEVEL)
        self._lowest: deque[float] = deque(maxlen=PARTS - 1)  # minimum of each finished part
        self._before = np.inf  # minimum of these
        self._now = np.inf  # minimum of the current part
        self._n_frames = 0

    def rises(self, energy: float) -> bool:
        """Take the energy of the next frame, and return whether it is above the floor."""
        self._short.append(energy)
        self._long.append(energy)
        self._n_frames += 1
        if self._n_frames >= LEVEL:
            self._now = min(self._now, sum(self._long) / LEVEL)
        if self._n_frames % self._part == 0:
            self._lowest.append(self._now)
            self._before, self._now = min(self._lowest), np.inf
        floor = min(self._before, self._now) if self._lowest else 0.0
        return sum(self._short) / RISE > max(floor * self._ratio, self._least)
