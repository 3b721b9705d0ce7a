"""Several sources as one corpus: recordings of people here, synthetic voices there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from speech_rnn.data.manifest import Corpus, Source
from speech_rnn.errors import ConfigurationError

__all__ = ["Merged", "merged"]


@dataclass(frozen=True)
class Merged:
    """The clips of all sources that are given, each in the split that its source has put it.

    Parameters
    ----------
    sources : by names of your choice.
    root : a folder that a configuration of the sources may refer to, as ``${data.root}``.

    Raises
    ------
    ConfigurationError
        if there is none.
    """

    sources: Mapping[str, Source]
    root: str | None = None

    def __post_init__(self) -> None:
        if not self.sources:
            raise ConfigurationError("sources={} leaves nothing to learn from; give one")

    def prepare(self) -> Corpus:
        """Prepare all of them; see `merged`."""
        return merged(source.prepare() for source in self.sources.values())


def merged(corpora: Iterable[Corpus]) -> Corpus:
    """Return one corpus: words and noise of the first, and what others add in their order.

    A word is synthetic where nobody says it in any of them.
    """
    parts = list(corpora)
    spoken = {word for part in parts for word in part.words if word not in part.synthetic}
    words = tuple(dict.fromkeys(word for part in parts for word in part.words))
    return Corpus(
        tuple(row for part in parts for row in part.utterances),
        words,
        tuple(dict.fromkeys(file for part in parts for file in part.noise)),
        tuple(word for word in words if word not in spoken),
    )
