"""Words or characters <-> ids; silence, unknown and blank."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from speech_rnn.errors import ConfigurationError, DataError, did_you_mean

__all__ = ["BLANK", "REASONS", "SILENCE", "UNITS", "UNKNOWN", "Vocabulary", "head_of"]

BLANK = "_blank_"
SILENCE = "_silence_"
UNKNOWN = "_unknown_"

REASONS = {SILENCE: "silence", UNKNOWN: "unknown"}
"""Labels that say why there is no word, and the reason that a hypothesis gives for them."""

UNITS = ("classes", "words", "characters")
LONGEST_SHOWN = 80
"""Characters of a text that a message shows."""


def head_of(unit: str) -> str:
    """Return the head that a unit needs: ``classification`` for classes, else ``ctc``.

    Raises
    ------
    ConfigurationError
        if the unit is unknown.
    """
    if unit not in UNITS:
        raise ConfigurationError(f"vocabulary={unit!r} must be one of {', '.join(UNITS)}")
    return "classification" if unit == "classes" else "ctc"


@dataclass(frozen=True)
class Vocabulary:
    """The meaning of the outputs of a model, in their order.

    Parameters
    ----------
    tokens : the text of each output.
    unit : ``classes``: one of the tokens is the answer to a whole clip. ``words`` and
        ``characters``: a CTC head emits a sequence of tokens, and token 0 is the blank.
    """

    tokens: tuple[str, ...]
    unit: str = "classes"

    def __post_init__(self) -> None:
        head_of(self.unit)
        if not self.tokens:
            raise ConfigurationError("words=[] is empty; name at least one")
        if twice := [token for token, count in Counter(self.tokens).items() if count > 1]:
            raise ConfigurationError(f"words={twice} occur twice; name each word once")

    @classmethod
    def of(cls, words: Sequence[str], unit: str = "classes") -> Vocabulary:
        """Make the vocabulary of a recogniser for `words`.

        Raises
        ------
        ConfigurationError
            if the unit is unknown, or words are missing or occur twice.
        """
        if unit == "classes":
            return cls(tuple(words), unit)
        spoken = [word for word in words if word not in REASONS]
        if unit == "characters":
            spoken = sorted(set(" ".join(spoken)))
        return cls((BLANK, *spoken), unit)

    @property
    def head(self) -> str:
        """The head of the model that this vocabulary needs: ``classification`` or ``ctc``."""
        return head_of(self.unit)

    @property
    def words(self) -> tuple[str, ...]:
        """The tokens that are words: neither the blank nor labels such as ``_unknown_``."""
        return tuple(token for token in self.tokens if token not in {BLANK, *REASONS})

    def __len__(self) -> int:
        return len(self.tokens)

    def label_of(self, text: str) -> str:
        """Return the right answer to `text`, with single spaces between its words.

        If ``_unknown_`` is a class, it is the right answer to every text that is not a class. An
        empty answer to such a text is right, too.
        """
        label = " ".join(text.split())
        is_foreign = self.unit == "classes" and label not in self.tokens
        return UNKNOWN if is_foreign and UNKNOWN in self.tokens else label

    def encode(self, text: str) -> list[int]:
        """Return the token ids of `text`: one id for a class (see `label_of`), a sequence for CTC.

        For CTC, silence is an empty sequence, and no sequence contains the blank.

        Raises
        ------
        DataError
            if the vocabulary lacks a part of `text`; the error names the nearest token.
        """
        ids = {token: index for index, token in enumerate(self.tokens)}
        if self.unit == "classes":
            if (label := self.label_of(text)) not in ids:
                raise self._lacks(text)
            return [ids[label]]
        if text in REASONS:
            return []
        if self.unit == "characters":
            if lacking := sorted(set(text) - set(ids)):
                raise self._lacks("".join(lacking))
            return [ids[character] for character in text]
        texts = self.split(text.split())
        if lacking := [word for word in texts if word not in ids]:
            raise self._lacks(lacking[0])
        return [ids[word] for word in texts]

    def split(self, words: Sequence[str]) -> list[str]:
        """Join neighbouring words that are one token, such as "smart mirror", the longest first."""
        longest = max(len(token.split()) for token in self.tokens)
        texts: list[str] = []
        while words:  # "smart mirror" may be one
            sizes = range(min(longest, len(words)), 1, -1)
            size = next((size for size in sizes if " ".join(words[:size]) in self.tokens), 1)
            texts.append(" ".join(words[:size]))
            words = words[size:]
        return texts

    def decode(self, ids: Sequence[int]) -> tuple[str, ...]:
        """Return the words of a sequence of token ids without blanks."""
        tokens = [self.tokens[index] for index in ids]
        return tuple("".join(tokens).split()) if self.unit == "characters" else tuple(tokens)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values from which ``Vocabulary.from_dict`` makes this vocabulary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Vocabulary:
        """Make a vocabulary from `to_dict`'s values.

        Raises
        ------
        KeyError, TypeError
            if the values have another form.
        ConfigurationError
            if tokens occur twice, or the unit is unknown.
        """
        tokens = values["tokens"]
        if not isinstance(tokens, (list, tuple)) or not all(
            isinstance(token, str) for token in tokens
        ):
            raise TypeError(f"tokens={tokens!r:.80} must be a list of texts")
        return cls(tuple(tokens), values["unit"])

    def _lacks(self, text: str) -> DataError:
        hint = did_you_mean(text, [token for token in self.tokens if token != BLANK])
        shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
        return DataError(f"text={shown!r} is not in the vocabulary{hint}")
