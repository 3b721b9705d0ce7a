"""Training sound in windows of 1.5 s with their log mels, as memory-mapped files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from speech_rnn.features import LogMel
from speech_rnn.storage.atomic import write_json

SAMPLE_RATE = 16_000
WINDOW = 24_000
"""Number of samples of a window."""
HOP = 160
N_FRAMES = WINDOW // HOP + 1
N_MELS = 40
STEP = 640
"""Number of samples of a student's step."""
N_STEPS = WINDOW // STEP
SHORTEST = 1600
PEAK = 0.5
QUIET = 1e-3
FLOOR = 1e-4
"""Standard deviation of the noise in a window."""
EDGE = 800
"""Number of samples around a trimmed word that are kept."""
BATCH = 64

Waveform = NDArray[np.float32]
T = TypeVar("T")


def log_mel() -> LogMel:
    """Return the student's features: natural logarithms of 40 mel energies."""
    return LogMel(win_length=400, n_mels=N_MELS, fmin=20, fmax=7600, amin=1e-10)


@dataclass(frozen=True)
class Sound:
    """A training sound: waveform (N,) at 16 kHz, its text, and its speaker.

    `text` is empty if it is unknown.
    """

    waveform: Waveform
    text: str
    speaker: str


@dataclass(frozen=True)
class Clip:
    """A sound in a window: text, source and speaker, with its position in samples."""

    text: str
    source: str
    speaker: str
    start: int
    n_samples: int


def trimmed(waveform: Waveform) -> Waveform:
    """Trim a sound (N,) to the part within 30 dB of its loudest 10 ms and above -60 dB."""
    n = len(waveform) // HOP
    power = (waveform[: n * HOP].reshape(n, HOP) ** 2).mean(axis=1)
    level = 10 * np.log10(power + 1e-9)
    spoken = np.flatnonzero(level > max(level.max(initial=-90.0) - 30, -60))
    if not len(spoken):
        return waveform[:0]
    return waveform[max(0, spoken[0] * HOP - EDGE) : (spoken[-1] + 1) * HOP + EDGE]


def placed(waveform: Waveform, rng: np.random.Generator) -> tuple[NDArray[np.int16], int, int]:
    """Put a sound at a random position in a window of faint noise, with its peak at half scale.

    Returns
    -------
    The window (24000,) in 16 bits, and position and length of the sound in samples.
    """
    sound = waveform[:WINDOW]
    start = int(rng.integers(0, WINDOW - len(sound) + 1))
    window = rng.normal(0, FLOOR, WINDOW).astype(np.float32)
    window[start : start + len(sound)] += sound / np.abs(sound).max() * PEAK
    return (window * 32767).clip(-32768, 32767).astype(np.int16), start, len(sound)


@dataclass(frozen=True)
class Part:
    """All windows of a source: clips, samples (N, 24000) and log mels (N, 151, 40)."""

    folder: Path
    clips: tuple[Clip, ...]

    @property
    def waves(self) -> NDArray[np.int16]:
        """Samples, mapped."""
        return mapped(self.folder / "waves.i16", np.int16, (WINDOW,))

    @property
    def mels(self) -> NDArray[np.float16]:
        """Log mels, mapped."""
        return mapped(self.folder / "mels.f16", np.float16, (N_FRAMES, N_MELS))


def mapped(path: Path, kind: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Map a file of rows of a shape; an empty file, which cannot be mapped, as an empty array."""
    n_rows = path.stat().st_size // (np.dtype(kind).itemsize * int(np.prod(shape)))
    if not n_rows:
        return np.empty((0, *shape), kind)
    return np.memmap(path, kind, "r", shape=(n_rows, *shape))


def read_part(folder: Path) -> Part:
    """Open the windows that `write_part` has written."""
    rows = json.loads((folder / "clips.json").read_text())
    return Part(folder, tuple(Clip(**row) for row in rows))


def is_written(folder: Path) -> bool:
    """Return whether `write_part` has completed the folder."""
    return (folder / "clips.json").is_file()


def write_part(folder: Path, source: str, sounds: Iterable[Sound], seed: int) -> Part:
    """Write windows and log mels of sounds into files; the list of clips is written last.

    Silent sounds and sounds shorter than 0.1 s are left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng, features = np.random.default_rng(seed), log_mel()
    heard = (
        sound
        for sound in sounds
        if len(sound.waveform) >= SHORTEST and np.abs(sound.waveform[:WINDOW]).max() >= QUIET
    )
    clips: list[Clip] = []
    with (folder / "waves.i16").open("wb") as waves, (folder / "mels.f16").open("wb") as mels:
        for batch in batches(heard, BATCH):
            windows = []
            for sound in batch:
                window, start, n_samples = placed(sound.waveform, rng)
                windows.append(window)
                clips.append(Clip(sound.text, source, sound.speaker, start, n_samples))
            stacked = np.stack(windows)
            stacked.tofile(waves)
            with torch.inference_mode():
                frames, _ = features(as_waveforms(stacked))
            frames.numpy().astype(np.float16).tofile(mels)
    write_json(folder / "clips.json", [asdict(clip) for clip in clips])
    return Part(folder, tuple(clips))


def as_waveforms(windows: NDArray[np.int16]) -> torch.Tensor:
    """Convert 16-bit samples to [-1, 1]."""
    return torch.from_numpy(windows.astype(np.float32) / 32767)


def batches(items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    """Split items into lists of a size; the last one may be shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
