"""Read the settings that a person wrote into ``mycroft.conf`` for a plugin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from speech_rnn.errors import ConfigurationError, did_you_mean
from speech_rnn.recognizer import Recognizer
from speech_rnn.starter import STARTER
from speech_rnn.streaming.spotter import Spotting


def load_model(config: Mapping[str, Any]) -> Recognizer:
    """Load the recogniser of ``model``; without it, that of the package.

    Raises
    ------
    ModelError
        if the file is missing or not a recogniser.
    """
    model = config.get("model")
    return Recognizer.load(Path(str(model)).expanduser() if model else STARTER)


def wanted_words(config: Mapping[str, Any], key_phrase: str, known: list[str]) -> frozenset[str]:
    """Return the words that wake: those of ``words``, or else the key phrase.

    Names of hot words have ``_`` where phrases have a space.

    Raises
    ------
    ConfigurationError
        if one is not a word of the recogniser.
    """
    given = config.get("words") or [key_phrase]
    words = [given] if isinstance(given, str) else list(map(str, given))
    words = [word if word in known else word.replace("_", " ") for word in words]
    for word in words:
        if word not in known:
            raise ConfigurationError(
                f"word={word!r} is not a word of the recogniser{did_you_mean(word, known)}"
            )
    return frozenset(words)


def spotting_of(config: Mapping[str, Any], recognizer: Recognizer) -> Spotting:
    """Return the recogniser's own spotting, with the threshold that the settings name.

    ``threshold`` is the score that a word has to reach; ``sensitivity`` is 1 less it, as in other
    plugins. Either replaces the thresholds that were tuned for each word.

    Raises
    ------
    ConfigurationError
        if both are given, or a value is out of its range.
    """
    own = recognizer.own_spotting
    names = [name for name in ("threshold", "sensitivity") if config.get(name) is not None]
    if not names:
        return own
    if len(names) > 1:
        raise ConfigurationError("threshold and sensitivity exclude each other; give one of them")
    value = number(config, names[0], 0.0)
    threshold = value if names == ["threshold"] else 1 - value
    if not 0 < threshold <= 1:
        raise ConfigurationError(f"{names[0]}={value!r} must give a threshold in (0, 1]")
    return replace(own, threshold=threshold, thresholds={})


def number(config: Mapping[str, Any], name: str, default: float) -> float:
    """Return a setting that is a number.

    Raises
    ------
    ConfigurationError
        if it is none.
    """
    value = config.get(name, default)
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{name}={value!r} must be a number") from error
