"""Join several sources into one corpus, and leave clips out of it."""

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
from speech_rnn.vocabulary import UNKNOWN

COLUMNS = Columns(("audio", "start_seconds"))


@dataclass(frozen=True)
class Merged:
    """The clips of all sources; each clip stays in the split that its source assigns.

    A source that needs something which is not installed is left out, and a log line says so.

    Parameters
    ----------
    sources : sources by names of your choice; null leaves one out.
    repeat : how often the training clips of a source are repeated, by name. Sources that are
        named here contribute training clips only.
    noise : sound files, or folders of them, that training may mix in, in addition to the noise of
        the sources. A recipe calls this ``background``.
    required : names of sources that must not be left out; see `AtHand.of`.
    root : a folder to which the configuration of the sources may refer, as ``${data.root}``.

    Raises
    ------
    ConfigurationError
        if there is no source, or `repeat` names a source that does not exist.
    """

    sources: Mapping[str, Source | None]
    repeat: Mapping[str, int] = field(default_factory=dict)
    noise: Sequence[str] = ()
    root: str | None = None
    required: str | Sequence[str] = ()

    def __post_init__(self) -> None:
        if not any(source is not None for source in self.sources.values()):
            raise ConfigurationError(
                f"sources={list(self.sources)} are all null, so there is nothing to learn from; "
                "give one"
            )
        if unknown := [name for name in self.repeat if name not in self.sources]:
            raise ConfigurationError(
                f"repeat={unknown} are not among the sources{did_you_mean(unknown, self.sources)}"
            )

    def prepare(self) -> Corpus:
        """Prepare all available sources; see `merged`.

        Raises
        ------
        DataError
            if noise cannot be found, if words are only in a source that is left out, and in the
            cases in which the sources raise.
        """
        noise = tuple(sound_files(self.noise, "background"))  # fail before hours of synthesis
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
    """Return only the training clips of a corpus, repeated this many times."""
    return replace(corpus, utterances=tuple(corpus.split("train")) * times)


def to_test(corpus: Corpus) -> Corpus:
    """Return a corpus whose test split holds the clips of all splits."""
    rows = tuple(replace(row, split="test") for row in corpus.utterances)
    return replace(corpus, utterances=rows)


def merged(corpora: Iterable[Corpus]) -> Corpus:
    """Return one corpus: words and noise of the first, then what the others add, in their order.

    A word counts as synthetic if it is synthetic in all of the corpora that have it. The first
    corpus decides whether texts are sentences.
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


def joined(corpus: Corpus, extra: Corpus) -> Corpus:
    """Return a corpus with the clips of another; its words and their order stay.

    Where ``_unknown_`` is one of them, clips of any other word are of that class.
    """
    if UNKNOWN in corpus.words:
        rows = tuple(
            row if row.text in corpus.words else replace(row, text=UNKNOWN)
            for row in extra.utterances
        )
        words = tuple(word for word in extra.words if word in corpus.words)
        spoken = tuple(word for word in extra.synthetic if word in words)
        extra = replace(extra, utterances=rows, words=words, synthetic=spoken)
    return replace(merged([corpus, extra]), words=corpus.words)


def exclude(corpus: Corpus, path: str | Path) -> Corpus:
    """Leave out the clips that a CSV or JSON Lines file lists, such as `speech_rnn.audit` writes.

    Its rows name clips by ``audio`` and ``start_seconds``; other columns are ignored.

    Raises
    ------
    DataError
        if the file cannot be read, lacks a column, or names clips that are not in the corpus.
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
        # A file name that is not UTF-8 is escaped, as in the tables that `audit` writes.
        audio = str(row["audio"]).encode(errors="backslashreplace").decode()
        return audio, round(float(row["start_seconds"]), 4)
    except (TypeError, ValueError) as error:
        raise ValueError(f"start_seconds must be a number: {error}") from error
