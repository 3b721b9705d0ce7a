"""The streams that all engines hear: wake words in hours of talk and noise, and in rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from speech_rnn.audio.finding import sound_files
from speech_rnn.augment.rooms import Rooms
from speech_rnn.benchmarking.wake.rival import RATE
from speech_rnn.benchmarking.wake.scenes import InRoom
from speech_rnn.data.folder import Folder
from speech_rnn.detection.det_curve import Scene
from speech_rnn.detection.long_streams import LongStream, Streams
from speech_rnn.errors import ConfigurationError

CLEAN_DB, ROOM_DB = 40.0, 20.0
"""SNR of the condition ``clean``, and of those in rooms."""
SPEECH_DB = -26.0
"""Level of words and talk in all conditions, root mean square in dB of full scale."""
ABOVE_NOISE_DB = 12.0
"""Clips of wake words hold loud rooms: labels go by what rises above those."""
ROOM_SECONDS = 1.0
"""Longest impulse response."""


@dataclass(frozen=True)
class WakeStreams:
    """The recipe of the streams: all draws come from the seed, and are the same in all conditions.

    Parameters
    ----------
    keywords : folder that holds one folder a word; the clips of the words' test split are said in
        the streams, and those of the other folders are other words.
    words : the words to be found.
    speech : sound files, or folders of them, of people who say none of the words; of them the
        test split is heard, see `speech_rnn.data.splits.recordings_of`.
    noise : sound files, or folders of them, of which the second half is heard; pink noise without.
    rooms : impulse responses, each a condition.
    snr_db : SNR of words and talk, each a condition beside ``clean``.
    hours : duration of each condition.
    gap_seconds : shortest and longest time from a word to the next.
    seed : seed of all draws.

    Raises
    ------
    ConfigurationError
        for no words, and an SNR that the streams cannot have.
    """

    keywords: str
    words: Sequence[str] = ("alexa", "computer", "jarvis")
    speech: Sequence[str] = ()
    noise: Sequence[str] = ()
    rooms: Sequence[str] = ()
    snr_db: Sequence[float] = (10.0, 5.0, 0.0)
    hours: float = 1.0
    gap_seconds: Sequence[float] = (5.0, 20.0)
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.words:
            raise ConfigurationError("words=[] must name a word or more")
        for snr_db in self.snr_db:
            if not -20 <= snr_db <= 60:
                raise ConfigurationError(f"snr_db={snr_db:g} must lie in [-20, 60]")

    def scenes(self) -> dict[str, Scene]:
        """Return the scene of each condition by its name.

        Raises
        ------
        DataError
            for words without a folder or a test clip, and sounds that cannot be found.
        """
        corpus = Folder(self.keywords, self.words, noise=()).prepare()
        streams = Streams(
            hours=self.hours,
            gap_seconds=self.gap_seconds,
            noise=self.noise,
            speech=self.speech,
            impostors=Folder(self.keywords, noise=()),
            above_noise_db=ABOVE_NOISE_DB,
            seed=self.seed,
        )

        def at(snr_db: float) -> LongStream:
            loud = replace(streams, snr_db=snr_db, noise_db=SPEECH_DB - snr_db)
            return loud.compose(corpus, "test", RATE)

        scenes: dict[str, Scene] = {"clean": at(CLEAN_DB)}
        scenes |= {f"{snr_db:g} dB": at(snr_db) for snr_db in self.snr_db}
        if self.rooms:
            files = sound_files(self.rooms, "rooms")
            responses = Rooms(self.rooms, seconds=ROOM_SECONDS).responses(RATE)
            inside = at(ROOM_DB)
            for file, response in zip(files, responses, strict=True):
                scenes[file.stem] = InRoom(inside, response)
        return scenes

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)
