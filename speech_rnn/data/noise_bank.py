"""Noise by kind: recorded, synthetic, and speech."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from speech_rnn.audio import audio_duration, load_audio
from speech_rnn.audio.finding import sound_files
from speech_rnn.data.babble import Recorded, Talker, babble, by_side, unit_power
from speech_rnn.data.made_noise import MAKERS, Maker
from speech_rnn.data.mixing import faded
from speech_rnn.data.splits import recordings_of
from speech_rnn.data.words import names_of
from speech_rnn.errors import ConfigurationError, did_you_mean

Samples = NDArray[np.float32]
Sides = tuple[Samples, Samples]
"""Noise for clips of side 0 and for clips of side 1, see `babble.sides_of`; usually the same."""
Clips = Mapping[str, Sequence[NDArray[np.int16]]]
"""Clips by speaker."""

SCENE_SECONDS = 5.0
BABBLE, TALKER = "babble", "talker"
CROWD = (3, 8)
"""Fewest and most talkers in babble."""


@dataclass(frozen=True)
class NoiseBank:
    """Noise by kind, for training and for tests of robustness.

    Each folder or file of recordings is a kind, see `kinds_of`. The other kinds are ``steady``,
    ``modulated``, ``clatter``, ``hum`` and ``tones``, see `made_noise`; ``babble`` of 3 to 8
    talkers; and a single ``talker``. These two use recordings of speech, or otherwise clips of a
    corpus, played backwards. A recorded kind replaces another kind of the same name.

    Parameters
    ----------
    recordings : sound files of noise, or folders of them.
    talk : sound files of people or synthetic voices who talk, or folders of them; each file is one
        talker. The hash of a file's name decides its split, see `recordings_of`, so that no talker
        is in two splits.
    kinds : names of the kinds to use; None uses all.
    without : names of kinds to leave out, for example to validate on kinds that training lacks.
    seconds : duration that is drawn and kept for each kind, above 0. A second takes 64 kB at
        16 kHz.
    seed : seed of all draws. Kinds are drawn independently, so that one more changes no other.

    Raises
    ------
    ConfigurationError
        if `seconds` is not above 0.
    """

    recordings: Sequence[str] = ()
    talk: Sequence[str] = ()
    kinds: str | Sequence[str] | None = None
    without: str | Sequence[str] = ()
    seconds: float = 120.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ConfigurationError(f"seconds={self.seconds!r} must be above 0")

    def draw(
        self,
        sample_rate: int,
        *,
        files: Sequence[Path] = (),
        clips: Clips | None = None,
        split: str = "train",
    ) -> dict[str, Sides]:
        """Draw noise of each kind, (N,), with unit power in each scene.

        Parameters
        ----------
        sample_rate : sample rate of the noise in Hz.
        files : further recordings of noise.
        clips : clips of the corpus by speaker, for babble if there is no `talk`.
        split : the split whose files of `talk` are used.

        Raises
        ------
        ConfigurationError
            if `kinds` or `without` names an unknown kind, or no kind is left.
        DataError
            if recordings or talk cannot be found, or the split has no file of talk.
        """
        found = self._drawers(sample_rate, files, clips or {}, split)
        asked = [*found] if self.kinds is None else names_of(self.kinds)
        without = names_of(self.without)
        if wrong := [name for name in (*asked, *without) if name not in found]:
            raise ConfigurationError(f"unknown kinds of noise {wrong}{did_you_mean(wrong, found)}")
        names = [name for name in found if name in asked and name not in without]
        if not names:
            raise ConfigurationError("no kind of noise is left; leave out fewer")
        return {name: found[name](self._random(name)) for name in names}

    def _random(self, name: str) -> Generator:
        return np.random.default_rng([self.seed, crc32(name.encode(errors="surrogateescape"))])

    def _drawers(
        self, sample_rate: int, files: Sequence[Path], clips: Clips, split: str
    ) -> dict[str, Callable[[Generator], Sides]]:
        """Return the function that draws each available kind."""
        n_samples = round(self.seconds * sample_rate)
        found: dict[str, Callable[[Generator], Sides]] = {}
        for name, maker in MAKERS.items():
            found[name] = partial(_made, maker, n_samples, sample_rate)
        talkers = self._talkers(sample_rate, clips, split)
        for name, crowd, least in ((BABBLE, CROWD, 2), (TALKER, (1, 1), 1)):
            if min(map(len, talkers)) >= least:
                found[name] = partial(_crowds, talkers, crowd, n_samples, sample_rate)
        every = dict.fromkeys((*sound_files(self.recordings, "recordings"), *files))
        for name, own in kinds_of(every).items():
            found[name] = partial(_recorded, own, self.seconds, sample_rate)
        return found

    def _talkers(self, sample_rate: int, clips: Clips, split: str) -> Sequence[Sequence[Talker]]:
        """Return the talkers for clips of side 0, and for clips of side 1."""
        files = sound_files(self.talk, "talk")
        if not files:
            return by_side(clips, sample_rate)
        recorded = [Recorded(file, sample_rate) for file in recordings_of(split, files)]
        return recorded, recorded


def kinds_of(files: Iterable[Path]) -> dict[str, list[Path]]:
    """Group recordings by kind.

    If the recordings lie in several folders, or in folders within a common folder, the folder's
    name is the kind, such as ``streets``. Otherwise the kind is the file's name without the number
    at its end: ``street_1.wav`` and ``street_2.wav`` are of the kind ``street``.
    """
    files = list(files)
    folders = {file.parent for file in files}
    shelves = Counter(folder.parent for folder in folders)
    found: dict[str, list[Path]] = {}
    for file in files:
        is_sorted = shelves[file.parent.parent] > 1 or file.parent.parent in folders
        name = re.sub(r"[-_ .]*\d+$", "", file.stem) or file.stem
        found.setdefault(file.parent.name if is_sorted else name, []).append(file)
    return found


def _made(maker: Maker, n_samples: int, sample_rate: int, random: Generator) -> Sides:
    noise = _scenes(lambda size: maker(size, sample_rate, random), n_samples, sample_rate)
    return noise, noise


def _crowds(
    sides: Sequence[Sequence[Talker]],
    crowd: tuple[int, int],
    n_samples: int,
    sample_rate: int,
    random: Generator,
) -> Sides:
    """Draw babble with new talkers in each scene; recorded talkers are used for both sides."""

    def scene(talkers: Sequence[Talker], size: int) -> Samples:
        n_talkers = min(int(random.integers(crowd[0], crowd[1] + 1)), len(talkers))
        chosen = random.choice(len(talkers), n_talkers, replace=False)
        return babble([talkers[place] for place in chosen], size, random)

    first = _scenes(partial(scene, sides[0]), n_samples, sample_rate)
    if sides[0] is sides[1]:
        return first, first
    return first, _scenes(partial(scene, sides[1]), n_samples, sample_rate)


def _recorded(files: Sequence[Path], seconds: float, sample_rate: int, random: Generator) -> Sides:
    """Read recordings in random order until the duration is filled."""
    parts: list[Samples] = []
    for place in random.permutation(len(files)):
        room = seconds - sum(map(len, parts)) / sample_rate
        if room <= 0:
            break
        start = float(random.uniform(0, max(0.0, audio_duration(files[place]) - room)))
        samples = load_audio(
            files[place], sample_rate, start_seconds=start, duration_seconds=room, check=False
        )
        parts.append(faded(unit_power(samples), sample_rate))
    noise = np.concatenate(parts)
    return noise, noise


def _scenes(make: Callable[[int], Samples], n_samples: int, sample_rate: int) -> Samples:
    """Join scenes of unit power, (n_samples,)."""
    size = round(SCENE_SECONDS * sample_rate)
    starts = range(0, n_samples, size)
    made = (make(min(size, n_samples - start)) for start in starts)
    return np.concatenate([faded(unit_power(scene), sample_rate) for scene in made])
