"""The voices of several synthesizers as one source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from speech_rnn.data.combining import Merged
from speech_rnn.data.corpus import Corpus, Source
from speech_rnn.errors import ConfigurationError

SYNTHESIZERS = ("espeak", "kokoro", "flite", "piper")


@dataclass(frozen=True)
class Voices:
    """The clips of several synthesizers: more kinds of voices make more people understood.

    Parameters
    ----------
    espeak, kokoro, flite, piper : synthesizers; null leaves one out.
    people : a few recordings, whose training clips join.
    people_times : how often each of these clips does.
    noise : sound files, or folders of them, that training may mix in.

    Raises
    ------
    ConfigurationError
        if no synthesizer is given.
    """

    espeak: Source | None = None
    kokoro: Source | None = None
    flite: Source | None = None
    piper: Source | None = None
    people: Source | None = None
    people_times: int = 20
    noise: Sequence[str] = ()

    def __post_init__(self) -> None:
        if all(getattr(self, name) is None for name in SYNTHESIZERS):
            raise ConfigurationError(f"no voices: {', '.join(SYNTHESIZERS)} are all null; give one")

    def prepare(self) -> Corpus:
        """Prepare all of them; see `Merged`."""
        sources = {name: getattr(self, name) for name in (*SYNTHESIZERS, "people")}
        return Merged(sources, {"people": self.people_times}, self.noise).prepare()
