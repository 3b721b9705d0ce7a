"""The streams that all engines process: wake words within speech and noise, and in rooms."""

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
"""SNR in dB of the condition ``clean``, and of the conditions in rooms."""
SPEECH_DB = -26.0
"""RMS level of words and other speech in all conditions, in dB relative to full scale."""
ABOVE_NOISE_DB = 12.0
"""Level above the noise floor at which a word's label starts and ends, in dB: the clips of wake
words were recorded in noisy rooms."""
ROOM_SECONDS = 1.0
"""Longest part of an impulse response that is used, in seconds."""


@dataclass(frozen=True)
class WakeStreams:
    """Settings of the streams; the same seeded draws are used in all conditions.

    Parameters
    ----------
    keywords : folder with one folder per word. Clips of the words' test split are placed in the
        streams; clips of the other folders serve as other words.
    words : the words to detect.
    speech : sound files, or folders of them, of people who say none of the words; only files of
        the test split are used, see `speech_rnn.data.splits.recordings_of`.
    noise : sound files, or folders of them, whose second half is used; pink noise if empty.
    rooms : impulse responses; each is a condition.
    snr_db : SNRs of words and speech; each is a condition, in addition to ``clean``.
    hours : duration of each condition.
    gap_seconds : shortest and longest time from a word to the next.
    seed : seed of all draws.

    Raises
    ------
    ConfigurationError
        if there are no words, or an SNR is out of range.
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
            raise ConfigurationError("words=[] must name at least one word")
        for snr_db in self.snr_db:
            if not -20 <= snr_db <= 60:
                raise ConfigurationError(f"snr_db={snr_db:g} must lie in [-20, 60]")

    def scenes(self) -> dict[str, Scene]:
        """Return the scene of each condition by its name.

        Raises
        ------
        DataError
            if a word has no folder or no test clip, or sounds cannot be found.
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
