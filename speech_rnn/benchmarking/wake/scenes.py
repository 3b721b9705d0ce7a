"""Scenes derived from another scene: played in a room, or with labels of some words only."""

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
    """A scene that delegates to another; subclasses override what they change."""

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
        """The labelled words."""
        return self.scene.labels

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings for the reader of the figures."""
        return self.scene.notes

    def blocks(self, block_seconds: float) -> Iterable[NDArray[np.float32]]:
        """Yield the samples in blocks (n,)."""
        return self.scene.blocks(block_seconds)


@dataclass(frozen=True, eq=False)
class OfWords(Derived):
    """A scene in which only some words are to be detected.

    Parameters
    ----------
    words : the words whose labels are kept.
    """

    words: tuple[str, ...]

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels of these words."""
        return tuple(label for label in self.scene.labels if label.word in self.words)


@dataclass(frozen=True, eq=False)
class InRoom(Derived):
    """A scene as it sounds in a room, at about the same level.

    Parameters
    ----------
    response : impulse response (K,) of the room from the direct sound on, at the scene's rate.
    """

    response: NDArray[np.float32]

    def blocks(self, block_seconds: float) -> Iterator[NDArray[np.float32]]:
        """Yield the samples in blocks (n,); the signal does not depend on the block size."""
        yield from in_blocks(self._inside(), max(1, round(block_seconds * self.sample_rate)))

    def _inside(self) -> Iterator[NDArray[np.float32]]:
        """Yield pieces as they sound in the room; the reverberation continues in the next one."""
        response = self.response / math.sqrt(float(np.sum(self.response.astype(np.float64) ** 2)))
        ringing = np.zeros(len(response) - 1, np.float32)
        for piece in self.scene.blocks(PIECE_SECONDS):
            wet = fftconvolve(piece, response).astype(np.float32)  # (n + K - 1,)
            wet[: len(ringing)] += ringing
            ringing = wet[len(piece) :]
            yield wet[: len(piece)]
