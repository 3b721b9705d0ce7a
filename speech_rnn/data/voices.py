"""The voices of several synthesizers as one source."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from speech_rnn.data.manifest import Corpus, Source
from speech_rnn.errors import ConfigurationError

__all__ = ["Voices"]


@dataclass(frozen=True)
class Voices:
    """The clips of all that are given: the more kinds of voices, the more people are understood.

    Raises
    ------
    ConfigurationError
        if none is given.
    """

    espeak: Source | None = None
    kokoro: Source | None = None
    flite: Source | None = None
    piper: Source | None = None
    other: Source | None = None

    def __post_init__(self) -> None:
        if not self._given():
            names = ", ".join(field.name for field in fields(self))
            raise ConfigurationError(f"no voices: {names} are all null; give one")

    def prepare(self) -> Corpus:
        """Prepare all of them; words and noise are those of the first and what others add."""
        first, *others = [source.prepare() for source in self._given()]
        for other in others:
            first = replace(
                first,
                utterances=(*first.utterances, *other.utterances),
                words=tuple(dict.fromkeys((*first.words, *other.words))),
                noise=tuple(dict.fromkeys((*first.noise, *other.noise))),
            )
        return first

    def _given(self) -> list[Source]:
        sources = [getattr(self, field.name) for field in fields(self)]
        return [source for source in sources if source is not None]
