"""Scenes that are made of another: heard in a room, or with the labels of some words alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from speech_rnn.detection.det_curve import Scene
from speech_rnn.detection.labels import Label
from speech_rnn.detection.long_streams import in_blocks

PIECE_SECONDS = 4.0


@dataclass(frozen=True, eq=False)
class Derived:
    """A scene that is like another but for what a subclass changes."""

    scene: Scene

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self.scene.sample_rate

    @property
    def duration(self) -> float:
        """Duration in seconds."""
        return self.scene.duration

    @property
    def labels(self) -> tuple[Label, ...]:
        """The words that are said."""
        return self.scene.labels

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings for whoever reads its figures."""
        return self.scene.notes

    def blocks(self, block_seconds: float) -> Iterable[NDArray[np.float32]]:
        """Yield the samples, (n,) each."""
        return self.scene.blocks(block_seconds)


@dataclass(frozen=True, eq=False)
class OfWords(Derived):
    """A scene in which only some words are looked for.

    Parameters
    ----------
    words : those whose labels stay.
    """

    words: tuple[str, ...]

    @property
    def labels(self) -> tuple[Label, ...]:
        """The words that are said and looked for."""
        return tuple(label for label in self.scene.labels if label.word in self.words)


@dataclass(frozen=True, eq=False)
class InRoom(Derived):
    """A scene, all of which is heard in a room, about as loud as before.

    Parameters
    ----------
    response : impulse response (K,) of the room, from the direct sound on, at the scene's rate.
    """

    response: NDArray[np.float32]

    def blocks(self, block_seconds: float) -> Iterator[NDArray[np.float32]]:
        """Yield the samples, (n,) each: the same, whatever the size of the blocks."""
        yield from in_blocks(self._inside(), max(1, round(block_seconds * self.sample_rate)))

    def _inside(self) -> Iterator[NDArray[np.float32]]:
        """Yield pieces as they sound in the room; each rings on into the next."""
        response = self.response / math.sqrt(float(np.sum(self.response.astype(np.float64) ** 2)))
        ringing = np.zeros(len(response) - 1, np.float32)
        for piece in self.scene.blocks(PIECE_SECONDS):
            wet = fftconvolve(piece, response).astype(np.float32)  # (n + K - 1,)
            wet[: len(ringing)] += ringing
            ringing = wet[len(piece) :]
            yield wet[: len(piece)]
