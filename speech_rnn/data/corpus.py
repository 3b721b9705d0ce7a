"""Utterances with texts and splits, corpora of utterances, and the interface of sources."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from speech_rnn.vocabulary import Vocabulary

SPLITS = ("train", "validation", "test")
PINK = "pink"


@dataclass(frozen=True)
class Part:
    """A stretch of a sound file that starts `at_seconds` in a composed utterance.

    A part without `text` is chatter: speech that contains none of the words.
    """

    audio: str
    text: str
    at_seconds: float
    start_seconds: float
    duration_seconds: float
    gain: float = 1.0


@dataclass(frozen=True)
class Composition:
    """The composition of an utterance from parts.

    Parameters
    ----------
    parts : the words in order, and chatter between them.
    noise : path of the noise recording that is mixed in, or ``pink``.
    noise_seconds : start within that recording.
    noise_snr_db : SNR of the words over the noise; None adds no noise.
    """

    parts: tuple[Part, ...]
    noise: str = PINK
    noise_seconds: float = 0.0
    noise_snr_db: float | None = None

    @property
    def words(self) -> tuple[Part, ...]:
        """The parts that are words."""
        return tuple(part for part in self.parts if part.text)


@dataclass(frozen=True)
class Utterance:
    """One row of a corpus: a stretch of a sound file and its text.

    Parameters
    ----------
    audio : path of the sound file, or the name of a composed utterance.
    text : the spoken words, separated by spaces; ``_silence_`` and ``_unknown_`` stand for no
        speech and for any word outside the vocabulary.
    speaker : the speaker, or empty where it is not known.
    split : ``train``, ``validation`` or ``test``.
    start_seconds : start of the part of the file, in seconds.
    duration_seconds : duration of the part of the file, in seconds; None extends it to the end.
    gain : factor on the samples; 0 gives digital silence.
    composition : the parts of a composed utterance; None for a part of one file.
    """

    audio: str
    text: str
    speaker: str = ""
    split: str = "train"
    start_seconds: float = 0.0
    duration_seconds: float | None = None
    gain: float = 1.0
    composition: Composition | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the values of a row, without the composition of a row that has none."""
        values = asdict(self)
        if self.composition is None:
            del values["composition"]
        return values


class CompactRows(Sequence[Utterance], ABC):
    """Rows of one split that are made when they are asked for."""

    @abstractmethod
    def texts(self) -> Counter[str]:
        """Return how often each text occurs."""


class PartedRows(Sequence[Utterance]):
    """The rows of several splits, each of which is kept in its own way.

    Parameters
    ----------
    parts : the rows of each split.
    sha256 : hash of all rows.
    """

    def __init__(self, parts: Mapping[str, CompactRows], sha256: str) -> None:
        self.parts, self.sha256 = dict(parts), sha256

    def __len__(self) -> int:
        return sum(map(len, self.parts.values()))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self[place] for place in range(*index.indices(len(self))))
        for rows in self.parts.values():
            if index < len(rows):
                return rows[index]
            index -= len(rows)
        raise IndexError(index)


def texts_of_rows(rows: Sequence[Utterance]) -> Counter[str]:
    """Return how often each text occurs in rows."""
    return rows.texts() if isinstance(rows, CompactRows) else Counter(row.text for row in rows)


@dataclass(frozen=True)
class Corpus:
    """The three splits that a source provides for training and evaluation.

    Parameters
    ----------
    utterances : the rows of all splits.
    words : the classes, or the words that may occur, in a fixed order.
    noise : recordings that training may mix in.
    synthetic : those of `words` that are spoken only by synthesizers.
    sentences : whether texts are sentences, whose words a CTC model recognises one by one.
        Otherwise each of `words` is one token, such as ``lights on``, the name of a folder.
    """

    utterances: Sequence[Utterance]
    words: tuple[str, ...]
    noise: tuple[Path, ...] = ()
    synthetic: tuple[str, ...] = ()
    sentences: bool = False

    def vocabulary(self, unit: str) -> Vocabulary:
        """Return the vocabulary of a model of this corpus, in `unit`; see `Vocabulary.of`.

        Raises
        ------
        ConfigurationError
            if the unit is unknown.
        """
        words: Iterable[str] = self.words
        if self.sentences and unit == "words":
            words = sorted({word for text in words for word in text.split()})
        return Vocabulary.of(tuple(words), unit)

    def split(self, name: str) -> Sequence[Utterance]:
        """Return the rows of one split, in order."""
        if isinstance(self.utterances, PartedRows):
            return self.utterances.parts.get(name, ())
        return tuple(row for row in self.utterances if row.split == name)

    def fingerprint(self) -> str:
        """Return a SHA-256 over the rows, with file names in place of full paths."""
        if isinstance(self.utterances, PartedRows):
            return self.utterances.sha256
        digest = hashlib.sha256()
        for row in self.utterances:
            named = row.to_dict() | {"audio": _name(row.audio)}
            if row.composition:
                parts = [
                    {**asdict(part), "audio": _name(part.audio)} for part in row.composition.parts
                ]
                noise = _name(row.composition.noise)
                named["composition"] = {**asdict(row.composition), "parts": parts, "noise": noise}
            digest.update(json.dumps(named, sort_keys=True).encode())
        return digest.hexdigest()


def _name(audio: str) -> str:
    path = Path(audio)
    return f"{path.parent.name}/{path.name}"


class Source(Protocol):
    """A source of a corpus: Speech Commands, digits, folders, synthetic voices, a manifest."""

    def prepare(self) -> Corpus:
        """Download or make whatever is missing, and return the corpus."""
        ...
