"""Sources that a recipe names, without those for which something is not installed here."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from speech_rnn.data.corpus import Corpus, Source
from speech_rnn.data.words import names_of
from speech_rnn.errors import DataError, SpeechRnnError

log = logging.getLogger(__name__)

NOT_MEASURED = "what that costs has not been measured"


@dataclass(frozen=True)
class AtHand:
    """The sources of a recipe that can be prepared here, and why the others cannot.

    A source that may be lacking has a method ``lack()``, which returns the error that its
    ``prepare()`` would raise for want of a package, a program, a file or a language, or None; and a
    method ``fetch()``, which gets what can be had without an installation.

    Parameters
    ----------
    sources : the sources at hand, by name, in their order.
    left_out : the other sources, by their names.
    lacks : errors that the other sources would raise, by their names.
    """

    sources: Mapping[str, Source]
    left_out: Mapping[str, Source]
    lacks: Mapping[str, SpeechRnnError]

    @classmethod
    def of(
        cls,
        sources: Mapping[str, Source | None],
        required: str | Sequence[str] = (),
        costs: Mapping[str, str] | None = None,
    ) -> AtHand:
        """Find what is at hand; a line is logged for each source that is left out.

        Parameters
        ----------
        sources : sources by name; None is left out without a warning.
        required : a name or names of sources that must not be left out: what they lack is fetched
            where that is possible. Other names do not matter.
        costs : the cost of doing without each source, by its name; None takes the source's own
            ``cost``.

        Raises
        ------
        SpeechRnnError
            where a required source lacks something, or every source does: the error of the first.
        """
        names = names_of(required)
        given = {name: source for name, source in sources.items() if source is not None}
        lacks: dict[str, SpeechRnnError] = {}
        for name, source in given.items():
            if name in names and hasattr(source, "fetch"):
                source.fetch()
            if (error := source.lack() if hasattr(source, "lack") else None) is not None:
                if name in names:
                    raise error
                lacks[name] = error
        if given and len(lacks) == len(given):
            error = next(iter(lacks.values()))
            if len(lacks) == 1:
                raise error
            raise DataError(f"none of {', '.join(lacks)} is at hand: {error}") from error
        for name, error in lacks.items():
            cost = (costs or {}).get(name) or getattr(given[name], "cost", NOT_MEASURED)
            log.warning("%s is left out: %s. Without it: %s", name, error, cost)
        kept = {name: source for name, source in given.items() if name not in lacks}
        return cls(kept, {name: given[name] for name in lacks}, lacks)

    def check_words(self, corpus: Corpus) -> None:
        """Refuse a corpus without the words that only a source that was left out would have.

        Raises
        ------
        DataError
            that names these words and what the source lacks.
        """
        for name, source in self.left_out.items():
            if lost := [word for word in getattr(source, "words", ()) if word not in corpus.words]:
                raise DataError(
                    f"nobody says {', '.join(lost)}: {name}, which would, is left out: "
                    f"{self.lacks[name]}"
                )
