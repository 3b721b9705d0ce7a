"""All windows, targets and labels of a training as one corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distillation.guards import learnable
from distillation.settings import Settings
from distillation.targets import Scale, read_targets, scale_of
from distillation.windows import SAMPLE_RATE, Clip, Part, log_mel
from speech_rnn.audio import load_audio

FEWEST = 4
"""Minimum number of clips of a word of the vocabulary."""
PEOPLE = ("speech_commands", "words")
"""Prefixes of sources whose clips are single words of people."""


class Rows:
    """Rows of several memory-mapped arrays, with consecutive numbers."""

    def __init__(self, arrays: Sequence[NDArray[Any]]) -> None:
        self._arrays = arrays
        self._ends = np.cumsum([len(array) for array in arrays])

    def cut(self, rows: NDArray[np.int64], first: NDArray[np.int64], size: int) -> Tensor:
        """Read `size` entries of each row, starting at `first`: (B, size, D) in float32.

        After the end of a row, its last entry is repeated.
        """
        owners = np.searchsorted(self._ends, rows, side="right")
        offsets = np.concatenate([[0], self._ends])[owners]
        cuts = [
            _filled(self._arrays[owner][row - offset, start : start + size], size)
            for owner, row, offset, start in zip(owners, rows, offsets, first, strict=True)
        ]
        return torch.from_numpy(np.stack(cuts)).float()


def _filled(entries: NDArray[Any], size: int) -> NDArray[Any]:
    if len(entries) == size:
        return entries
    return np.pad(entries, ((0, size - len(entries)), (0, 0)), mode="edge")


@dataclass(frozen=True)
class Corpus:
    """The windows, targets and labels of a training.

    Parameters
    ----------
    clips : clips of all windows.
    mels, targets : log mels (N, 151, 40) and the teacher's states (N, 37, 384).
    scale : statistics of the targets.
    vocabulary : words with enough labelled clips.
    labels : (N,) index of the word, -1 if there is none or it may not be used.
    """

    clips: tuple[Clip, ...]
    mels: Rows
    targets: Rows
    scale: Scale
    vocabulary: tuple[str, ...]
    labels: NDArray[np.int64]

    @property
    def starts(self) -> NDArray[np.int64]:
        """First sample of each clip in its window."""
        return np.array([clip.start for clip in self.clips])

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of samples of each clip."""
        return np.array([clip.n_samples for clip in self.clips])


def open_corpus(parts: Sequence[Part], teacher: str, settings: Settings) -> Corpus:
    """Open the windows and targets of all parts, and assign labels.

    `teacher` is the SHA-256 of the teacher's weights.
    """
    clips = tuple(clip for part in parts for clip in part.clips)
    targets = [read_targets(part.folder, teacher) for part in parts]
    words = [label_of(clip, settings) for clip in clips]
    count = Counter(word for word in words if word)
    vocabulary = tuple(sorted(word for word, n_clips in count.items() if n_clips >= FEWEST))
    index = {word: number for number, word in enumerate(vocabulary)}
    return Corpus(
        clips,
        Rows([part.mels for part in parts]),
        Rows(targets),
        scale_of(targets),
        vocabulary,
        np.array([index.get(word, -1) for word in words]),
    )


def label_of(clip: Clip, settings: Settings) -> str:
    """Return the word of a clip; empty for phrases, talk, and labels that may not be used."""
    is_hidden = is_of_people(clip) and clip.text in settings.unlabelled
    return "" if is_hidden or " " in clip.text else clip.text


def is_of_people(clip: Clip) -> bool:
    """Return whether a clip is a single word recorded by a person."""
    return clip.source.startswith(PEOPLE)


def read_noises(folders: Iterable[Path]) -> list[Tensor]:
    """Compute log mels (T, 40) of noise recordings, with peaks at half of full scale."""
    features, noises = log_mel(), []
    for file in (file for folder in folders for file in learnable(folder)):
        waveform = torch.from_numpy(load_audio(file, SAMPLE_RATE, check=False))
        loudest = waveform.abs().max()
        if loudest > 0:
            with torch.inference_mode():
                frames, _ = features(waveform[None] / loudest * 0.5)
            noises.append(frames[0].half().float().clone())
    return noises
