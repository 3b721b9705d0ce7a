"""Impulse responses: from recordings, from simulated rooms, or as random diffuse sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import load_audio
from speech_rnn.audio.finding import sound_files
from speech_rnn.errors import ConfigurationError, MissingExtraError

WALL_METRES = 0.5
"""Smallest distance of speaker and microphone from a wall, in metres."""
MOST_REFLECTIONS = 17
"""Highest order of reflections: later ones are inaudible, and the cost grows with the cube."""
FIRST_REFLECTION_SECONDS = 0.002
DIRECT_DB = (0.0, 15.0)
"""Level of the direct sound over all that follows it, from across a room to across a table."""


@dataclass(frozen=True)
class Rooms:
    """A source of rooms for reverberation.

    Parameters
    ----------
    recordings : impulse responses, as sound files or folders of them.
    simulated : number of random box-shaped rooms, each with a speaker and a microphone; they are
        computed with the image method of Allen & Berkley (1979) in pyroomacoustics.
    diffuse : number of random responses without a room: Gaussian noise that decays exponentially
        after the direct sound (Polack, 1988). They need no other package.
    decay_seconds : shortest and longest time in which diffuse sound decays by 60 dB.
    width_m : smallest and largest width of a room, in metres.
    height_m : smallest and largest height of a room, in metres.
    absorption : lowest and highest absorption of the walls: 0.1 is a bathroom, 0.6 a living room.
    seconds : longest response; later sound is cut off.
    seed : seed of the rooms.

    Raises
    ------
    ConfigurationError
        if a range is not an ascending pair of positive numbers, or there are no rooms at all.
    """

    recordings: Sequence[str] = ()
    simulated: int = 0
    diffuse: int = 0
    decay_seconds: Sequence[float] = (0.15, 0.8)
    width_m: Sequence[float] = (2.5, 8.0)
    height_m: Sequence[float] = (2.3, 3.5)
    absorption: Sequence[float] = (0.15, 0.7)
    seconds: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        lowest = {"width_m": 2 * WALL_METRES, "height_m": 2 * WALL_METRES}
        lowest |= {"absorption": 0.0, "decay_seconds": 0.0}
        for name, least in lowest.items():
            pair = getattr(self, name)
            if len(pair) != 2 or not least < pair[0] <= pair[1]:
                raise ConfigurationError(
                    f"{name}={list(pair)} must be the lowest and the highest value, above {least:g}"
                )
        if self.absorption[1] > 1:
            raise ConfigurationError(f"absorption={list(self.absorption)} must not be above 1")
        if not self.recordings and self.simulated < 1 and self.diffuse < 1:
            raise ConfigurationError("rooms need recordings, or simulated=N, or diffuse=N")

    def responses(self, sample_rate: int) -> list[NDArray[np.float32]]:
        """Return impulse responses (K,) in [-1, 1], each starting with its direct sound.

        Raises
        ------
        DataError
            if recordings are not impulse responses.
        MissingExtraError
            if rooms are to be simulated and ``pyroomacoustics`` is not installed.
        """
        found = [
            load_audio(file, sample_rate, check=False)
            for file in sound_files(self.recordings, "recordings")
        ]
        found += self._simulated(sample_rate)
        found += self._diffuse(sample_rate)
        longest = round(self.seconds * sample_rate)
        starts = [int(np.abs(response).argmax()) for response in found]
        return [
            response[start : start + longest] for response, start in zip(found, starts, strict=True)
        ]

    def _simulated(self, sample_rate: int) -> list[NDArray[np.float32]]:
        if not self.simulated:
            return []
        try:
            import pyroomacoustics
        except ImportError as error:
            raise MissingExtraError("pyroomacoustics", "rooms") from error
        random = np.random.default_rng(self.seed)
        found = []
        for _ in range(self.simulated):
            (least, most), (low, high), (hard, soft) = self.width_m, self.height_m, self.absorption
            size = np.array([*random.uniform(least, most, 2), random.uniform(low, high)])
            walls = pyroomacoustics.Material(random.uniform(hard, soft))
            # As many reflections as fit into the duration between the two nearest walls.
            order = int(self.seconds * 343 / size.min())
            room = pyroomacoustics.ShoeBox(
                size, fs=sample_rate, materials=walls, max_order=min(order, MOST_REFLECTIONS)
            )
            room.add_source(random.uniform(WALL_METRES, size - WALL_METRES))
            room.add_microphone(random.uniform(WALL_METRES, size - WALL_METRES))
            room.compute_rir()
            found.append(np.asarray(room.rir[0][0], dtype=np.float32))
        return found

    def _diffuse(self, sample_rate: int) -> list[NDArray[np.float32]]:
        random = np.random.default_rng(self.seed)
        shortest, longest = self.decay_seconds
        time = np.arange(round(self.seconds * sample_rate)) / sample_rate
        found = []
        for _ in range(self.diffuse):
            decay = random.uniform(shortest, longest)
            response = random.standard_normal(len(time)) * 10 ** (-3 * time / decay)
            response[time < FIRST_REFLECTION_SECONDS] = 0
            below = 10 ** (-random.uniform(*DIRECT_DB) / 20)
            response *= below / np.linalg.norm(response)
            response[0] = 1
            found.append(response.astype(np.float32))
        return found
