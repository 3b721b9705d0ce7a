"""The description of a server that answers Wyoming's `describe`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from wyoming.info import AsrModel, AsrProgram, Attribution, Info, WakeModel, WakeProgram

from speech_rnn import __version__
from speech_rnn.errors import did_you_mean
from speech_rnn.serving.refusals import UNKNOWN_WORD, RefusalError
from speech_rnn.serving.shelf import Model

T = TypeVar("T")
PROGRAM = "speech-rnn"
BY = Attribution(name="speech_rnn", url="")
DESCRIPTION = "Speech commands and wake words, recognised offline"


def wake_words(models: Sequence[Model]) -> dict[str, tuple[Model, str]]:
    """Return the recogniser and the word of each name that can be detected.

    A word is its own name; where several recognisers have it, each name is ``recogniser/word``.
    """
    able = [model for model in models if model.recognizer.can_stream]
    counts = Counter(word for model in able for word in model.recognizer.vocabulary.words)
    return {
        word if counts[word] == 1 else f"{model.name}/{word}": (model, word)
        for model in able
        for word in model.recognizer.vocabulary.words
    }


def wanted_words(
    models: Sequence[Model], names: Sequence[str] | None
) -> list[tuple[Model, dict[str, str]]]:
    """Return the recognisers to hear, each with the names of its words; without names, all.

    Raises
    ------
    RefusalError
        for a name that there is not.
    """
    known = wake_words(models)
    found: dict[str, tuple[Model, dict[str, str]]] = {}
    for name in names or known:
        if name not in known:
            raise RefusalError(
                UNKNOWN_WORD, f"name={name!r:.100} is not there{did_you_mean(str(name), known)}"
            )
        model, word = known[name]
        found.setdefault(model.name, (model, {}))[1][word] = name
    return list(found.values())


def wake_info(models: Sequence[Model], languages: Sequence[str]) -> Info:
    """Return the wake words."""
    words = [
        _described(WakeModel, name, word, languages=[*languages], phrase=word)
        for name, (_, word) in wake_words(models).items()
    ]
    return Info(wake=[_described(WakeProgram, PROGRAM, DESCRIPTION, models=words)])


def asr_info(models: Sequence[Model], languages: Sequence[str]) -> Info:
    """Return the recognisers of whole commands."""
    recognisers = [
        _described(
            AsrModel,
            model.name,
            f"{model.name}: {len(model.recognizer.vocabulary.words)} words",
            languages=[*languages],
        )
        for model in models
    ]
    return Info(asr=[_described(AsrProgram, PROGRAM, DESCRIPTION, models=recognisers)])


def _described(kind: Callable[..., T], name: str, description: str, **more: Any) -> T:
    """Return a model or a program of this package, as Wyoming describes it."""
    return kind(
        name=name,
        description=description,
        attribution=BY,
        installed=True,
        version=__version__,
        **more,
    )
