"""Leave out the sources of a recipe that need something which is not installed here."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from speech_rnn.data.corpus import Corpus, Source
from speech_rnn.data.words import names_of
from speech_rnn.errors import DataError, SpeechRnnError

log = logging.getLogger(__name__)

NOT_MEASURED = "the cost of doing without it has not been measured"


@dataclass(frozen=True)
class AtHand:
    """The sources of a recipe that can be prepared here, and the reasons why others cannot.

    A source that may be unavailable has two methods. ``lack()`` returns None, or the error that
    its ``prepare()`` would raise because a package, a program, a file or a language is missing.
    ``fetch()`` downloads whatever needs no installation.

    Parameters
    ----------
    sources : the available sources by name, in their order.
    left_out : the other sources by name.
    lacks : the error that each of the other sources would raise, by name.
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
        """Select the available sources, and log a line for each source that is left out.

        Parameters
        ----------
        sources : sources by name; None is left out without a warning.
        required : a name, or names, of sources that must not be left out. Their missing files are
            downloaded where that is possible. Names that are not in `sources` are ignored.
        costs : loss without each source, by its name; the default is the source's own
            ``cost``.

        Raises
        ------
        SpeechRnnError
            if a required source lacks something, or every source does: the error of the first.
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
            raise DataError(f"none of {', '.join(lacks)} is available: {error}") from error
        for name, error in lacks.items():
            cost = (costs or {}).get(name) or getattr(given[name], "cost", NOT_MEASURED)
            log.warning("%s is left out: %s. Without it: %s", name, error, cost)
        kept = {name: source for name, source in given.items() if name not in lacks}
        return cls(kept, {name: given[name] for name in lacks}, lacks)

    def check_words(self, corpus: Corpus) -> None:
        """Raise if words of a source that was left out are missing from the corpus.

        Raises
        ------
        DataError
            if any are missing; the error names them and what the source lacks.
        """
        for name, source in self.left_out.items():
            if lost := [word for word in getattr(source, "words", ()) if word not in corpus.words]:
                raise DataError(
                    f"no source has {', '.join(lost)}: {name}, which has, is left out: "
                    f"{self.lacks[name]}"
                )
