"""Several sources as one corpus, and clips left out of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from speech_rnn.audio.finding import sound_files
from speech_rnn.data.at_hand import AtHand
from speech_rnn.data.corpus import Corpus, Source
from speech_rnn.errors import ConfigurationError, DataError, did_you_mean
from speech_rnn.storage.columns import Columns
from speech_rnn.storage.tables import made, read_records

COLUMNS = Columns(("audio", "start_seconds"))


@dataclass(frozen=True)
class Merged:
    """The clips of all sources that are given, each in the split that its source has put it.

    A source for which something is not installed is left out, and a line of the log says so.

    Parameters
    ----------
    sources : by names of your choice; null leaves one out.
    repeat : of sources whose training clips alone join: how often each of these does.
    noise : sound files, or folders of them, that training may mix in, with those of the sources: of
        a recipe, its ``background``.
    required : names of sources that must not be left out; see `AtHand.of`.
    root : a folder that a configuration of the sources may refer to, as ``${data.root}``.

    Raises
    ------
    ConfigurationError
        if there is no source, and for a name in `repeat` that is none.
    """

    sources: Mapping[str, Source | None]
    repeat: Mapping[str, int] = field(default_factory=dict)
    noise: Sequence[str] = ()
    root: str | None = None
    required: str | Sequence[str] = ()

    def __post_init__(self) -> None:
        if not any(source is not None for source in self.sources.values()):
            raise ConfigurationError(
                f"sources={list(self.sources)} are all null, which leaves nothing to learn from; "
                "give one"
            )
        if unknown := [name for name in self.repeat if name not in self.sources]:
            raise ConfigurationError(
                f"repeat={unknown} are no sources{did_you_mean(unknown, self.sources)}"
            )

    def prepare(self) -> Corpus:
        """Prepare all of them that are at hand; see `merged`.

        Raises
        ------
        DataError
            for noise that cannot be found, for words that only a source that is left out would
            have, and as the sources do.
        """
        noise = tuple(sound_files(self.noise, "background"))  # before hours of speaking
        corpora = []
        there = AtHand.of(self.sources, self.required)
        for name, source in there.sources.items():
            corpus = source.prepare()
            repeated = name in self.repeat
            corpora.append(to_train(corpus, self.repeat[name]) if repeated else corpus)
        joined = merged([*corpora, Corpus((), (), noise)])
        there.check_words(joined)
        return joined


def to_train(corpus: Corpus, times: int = 1) -> Corpus:
    """Return the training clips of a corpus alone, over again so many times."""
    return replace(corpus, utterances=corpus.split("train") * times)


def to_test(corpus: Corpus) -> Corpus:
    """Return the clips of all splits as the test of a corpus."""
    rows = tuple(replace(row, split="test") for row in corpus.utterances)
    return replace(corpus, utterances=rows)


def merged(corpora: Iterable[Corpus]) -> Corpus:
    """Return one corpus: words and noise of the first, and what others add in their order.

    A word is synthetic where nobody says it in any of them. Whether texts are sentences, the
    first says.
    """
    parts = list(corpora)
    spoken = {word for part in parts for word in part.words if word not in part.synthetic}
    words = tuple(dict.fromkeys(word for part in parts for word in part.words))
    return Corpus(
        tuple(row for part in parts for row in part.utterances),
        words,
        tuple(dict.fromkeys(file for part in parts for file in part.noise)),
        tuple(word for word in words if word not in spoken),
        parts[0].sentences,
    )


def exclude(corpus: Corpus, path: str | Path) -> Corpus:
    """Leave out the clips of a CSV or JSON Lines file, such as `speech_rnn.audit` writes.

    Its rows name clips by ``audio`` and ``start_seconds``; other columns do not matter.

    Raises
    ------
    DataError
        for a file that cannot be read, lacks a column, or names what the corpus does not have.
    """
    records = read_records(path, "exclude", COLUMNS)
    wanted = set(made(records, lambda _, row: _place(row), path, "exclude"))
    places = [_place(row.to_dict()) for row in corpus.utterances]
    if strangers := sorted(audio for audio, _ in wanted.difference(places)):
        raise DataError(
            f"exclude={str(path)!r}: {len(strangers)} of {len(wanted)} clips are not in the "
            f"corpus, such as {strangers[0]}; name files as the corpus does"
        )
    kept = tuple(
        row for row, place in zip(corpus.utterances, places, strict=True) if place not in wanted
    )
    return replace(corpus, utterances=kept)


def _place(row: Mapping[str, Any]) -> tuple[str, float]:
    try:
        # As a table holds a file name that is no UTF-8: escaped.
        audio = str(row["audio"]).encode(errors="backslashreplace").decode()
        return audio, round(float(row["start_seconds"]), 4)
    except (TypeError, ValueError) as error:
        raise ValueError(f"start_seconds must be a number: {error}") from error
