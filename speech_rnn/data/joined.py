"""Several sources as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from speech_rnn.data.manifest import Corpus, Source
from speech_rnn.errors import ConfigurationError

__all__ = ["Joined"]


@dataclass(frozen=True)
class Joined:
    """The clips of several sources.

    Parameters
    ----------
    sources : by a name of their own; None leaves one out.

    Raises
    ------
    ConfigurationError
        if none is left.
    """

    sources: Mapping[str, Source | None]

    def __post_init__(self) -> None:
        if not any(self.sources.values()):
            raise ConfigurationError(f"sources={list(self.sources)} are all none; leave one")

    def prepare(self) -> Corpus:
        """Prepare all of them; words and noise are those of the first and what others add."""
        first, *others = [source.prepare() for source in self.sources.values() if source]
        for other in others:
            first = replace(
                first,
                utterances=(*first.utterances, *other.utterances),
                words=tuple(dict.fromkeys((*first.words, *other.words))),
                noise=tuple(dict.fromkeys((*first.noise, *other.noise))),
            )
        return first
