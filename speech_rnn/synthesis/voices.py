"""The voices of several synthesizers as one source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from speech_rnn.audio.finding import sound_files
from speech_rnn.data.combining import merged
from speech_rnn.data.corpus import Corpus, Source
from speech_rnn.errors import ConfigurationError

__all__ = ["Voices"]

SYNTHESIZERS = ("espeak", "kokoro", "flite", "piper")


@dataclass(frozen=True)
class Voices:
    """The clips of all that are given: the more kinds of voices, the more people are understood.

    Parameters
    ----------
    espeak, kokoro, flite, piper : synthesizers.
    people : a few recordings; their training clips alone join, each so often as `people_times`.
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
        if not self._given():
            raise ConfigurationError(f"no voices: {', '.join(SYNTHESIZERS)} are all null; give one")

    def prepare(self) -> Corpus:
        """Prepare all of them; see `merged`.

        Raises
        ------
        DataError
            for noise that cannot be found, and for voices that cannot be had.
        """
        room = Corpus((), (), tuple(sound_files(self.noise, "noise")))  # before hours of speaking
        corpora = [source.prepare() for source in self._given()]
        if self.people is not None:
            people = self.people.prepare()
            recorded = people.split("train") * self.people_times
            corpora.append(replace(people, utterances=recorded))
        return merged([*corpora, room])

    def _given(self) -> list[Source]:
        sources = [getattr(self, name) for name in SYNTHESIZERS]
        return [source for source in sources if source is not None]
