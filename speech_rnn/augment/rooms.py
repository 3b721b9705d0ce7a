"""Impulse responses: measured ones from files, simulated rooms, and reverberation that is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import load_audio
from speech_rnn.audio.finding import sound_files
from speech_rnn.errors import ConfigurationError, MissingExtraError

WALL_METRES = 0.5
"""Nobody stands nearer to a wall."""
MOST_REFLECTIONS = 17
"""What is left of a sound after so many does not matter, and they cost with their cube."""
FIRST_REFLECTION_SECONDS = 0.002
DIRECT_DB = (0.0, 15.0)
"""Level of the direct sound over all that follows it: across a table, and across a room."""


@dataclass(frozen=True)
class Rooms:
    """Where clips may be heard.

    Parameters
    ----------
    recordings : impulse responses, sound files or folders of them.
    simulated : how many boxes are drawn, with a speaker and a microphone in each; the image method
        of Allen & Berkley (1979) as pyroomacoustics has it.
    diffuse : number of responses drawn without a room: Gaussian noise that decays exponentially
        behind the direct sound (Polack, 1988). It needs no other package.
    decay_seconds : shortest and longest time in which diffuse sound decays by 60 dB.
    width_m, height_m : smallest and largest, of floor and ceiling.
    absorption : of the walls, lowest and highest: 0.1 is a bathroom, 0.6 a living room.
    seconds : longest response; what comes later is cut.
    seed : of the boxes.

    Raises
    ------
    ConfigurationError
        for ranges that are no ascending pairs of positive numbers, and for no rooms at all.
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
        """Return impulse responses (K,) in [-1, 1], each from its direct sound on.

        Raises
        ------
        DataError
            for recordings that are none.
        MissingExtraError
            if rooms are to be simulated without ``pyroomacoustics``.
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
            # As many reflections as sound has time for between the two nearest walls.
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
