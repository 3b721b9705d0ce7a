"""Complete recipes and options of groups for a shell: ``+recipe=di`` becomes ``+recipe=digits``."""

from __future__ import annotations

from collections.abc import Sequence

from speech_rnn.config.app import CONF, recipes


def complete(before: Sequence[str], word: str) -> list[str]:
    """Return the words that may be meant by one that is being typed.

    Parameters
    ----------
    before : words of the command line before it.
    word : its first characters, as far as they are typed.

    Returns
    -------
    Settings such as ``model=gru_ctc``, or groups such as ``model=`` as long as none is typed. Bash
    takes ``=`` for the end of a word, and gets only what follows it.
    """
    options = {"+recipe": recipes()} | {
        folder.name: sorted(file.stem for file in folder.glob("*.yaml"))
        for folder in sorted(CONF.iterdir())
        if folder.is_dir() and folder.name not in ("recipe", "debug", "synthesizer")
    }
    if _is_value(before):
        group = next(one for one in reversed(before) if one != "=")
        return [name for name in options.get(group, ()) if name.startswith(word)]
    group, sign, name = word.partition("=")
    if sign:
        return [f"{group}={one}" for one in options.get(group, ()) if one.startswith(name)]
    return [f"{one}=" for one in options if one.startswith(group)]


def _is_value(before: Sequence[str]) -> bool:
    """Say whether a value follows: bash cuts ``key=value`` into words, and may leave ``=`` out."""
    if not before or before[-1] == "=":
        return bool(before)
    is_key = "=" not in before[-1] and not before[-1].startswith("-")
    return is_key and list(before[-2:-1]) != ["="]
