"""Read the words and voices of a command line, and reject keys that nothing uses."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from speech_rnn.data.words import names_of
from speech_rnn.errors import ConfigurationError, did_you_mean
from speech_rnn.synthesis.words import read_words

KEYS = {"words": "words", "words_file": "words"} | {
    key: key for key in ("recordings", "background", "voices")
}
"""Top-level keys to which a recipe may refer, as in ``${words}``, and what it uses of each."""


def take_words(cfg: DictConfig, typed: Collection[str]) -> None:
    """Replace ``words`` by the words of ``words_file``; `cfg` is modified in place.

    Parameters
    ----------
    cfg : a composed configuration.
    typed : the keys that the command line sets.

    Raises
    ------
    ConfigurationError
        if the command line gives words as well, or `read_words` rejects the file.
    DataError
        if the file cannot be read.
    """
    file = cfg.get("words_file")
    if file is None:
        return
    if "words" in typed and cfg.words is not None:
        raise ConfigurationError(
            f"words={list(cfg.words)} and words_file={file!r} are both given; give one of them"
        )
    words = [word.replace("${", r"\${") for word in read_words(str(file))]  # not a reference
    cfg.words, cfg.words_file = words, None


def check_taken(cfg: DictConfig, typed: Collection[str]) -> None:
    """Raise for words, recordings, a background or voices that a configuration does not use.

    Parameters
    ----------
    cfg : a composed configuration.
    typed : the keys that the command line sets, without those of the command itself.

    Raises
    ------
    ConfigurationError
        if nothing refers to a key, or no part of the recipe has the voices.
    """
    plain = OmegaConf.to_container(cfg, resolve=False)
    taken = {name for text in _texts(plain) for name in re.findall(r"\$\{ *(\w+) *\}", text)}
    for key in typed:
        if key in KEYS and KEYS[key] not in taken:
            raise ConfigurationError(
                f"{key} is not used by this recipe: leave it out, or choose a "
                "recipe of words of your own, such as +recipe=custom"
            )
    if "voices" in taken and (wanted := cfg.get("voices")):
        known = sorted({name for node in _nodes(plain) for name in _synthesizers(node)})
        if wrong := [name for name in names_of(wanted) if name not in known]:
            hint = did_you_mean(wrong, known)
            raise ConfigurationError(
                f"voices={wrong} are not part of this recipe, or are null{hint}"
            )


def _synthesizers(node: dict[Any, Any]) -> Iterator[str]:
    """Return the names of the synthesizers of a source, which ``voices`` may name."""
    if node.get("required") == "${voices}":
        places = (node, node.get("sources") or {})
        yield from (
            name for place in places for name, part in place.items() if _is_synthesizer(part)
        )


def _is_synthesizer(part: Any) -> bool:
    return isinstance(part, dict) and ".synthesis." in str(part.get("_target_"))


def _nodes(value: Any) -> Iterator[dict[Any, Any]]:
    if isinstance(value, dict):
        yield value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        yield from _nodes(part)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for part in value.values() for text in _texts(part))
    elif isinstance(value, Sequence):
        yield from (text for part in value for text in _texts(part))
