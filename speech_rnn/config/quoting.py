"""Quote paths and words of a command line for Hydra's grammar, so that they can be typed plainly.

Hydra's grammar reserves the signs ``~ = , ( ) [ ] { } # '`` and has no letters beyond ASCII:
without quotes, ``data.root=~/clips`` or ``words=[grün,stop]`` would be a syntax error.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, Quote, QuotedString
from hydra.errors import HydraException

from speech_rnn.config.keys import MODEL_FILE

TEXTS = frozenset(
    ("root", "path", "folder", "recordings", "output_dir", "output", "exclude", "front_weights",
     "versus", "sentences", "text", "speaker_pattern", "words_file", MODEL_FILE)
)  # fmt: skip
"""Last parts of keys whose value is one path or text; `paths.data` is one as well."""

LISTS = frozenset(
    ("words", "held_out_words", "held_out_speakers", "noise", "rooms", "speech", "background",
     "voices", "talk", "kinds", "without", "audio", "labels")
)  # fmt: skip
"""Last parts of keys whose value is a list of words or paths."""

_LINE = re.compile(r"(?P<key>\+{0,2}[\w.@/]+)=(?P<value>.*)", re.DOTALL)
_QUOTED = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
_ITEM = re.compile(rf"\s*({_QUOTED}|[^,]*?)\s*(?:,|$)", re.DOTALL)


def quoted(line: str, *, multirun: bool = False) -> str:
    """Return an override with quotes around its value if Hydra would misread it.

    Overrides of other keys, and values that Hydra reads as texts, are unchanged. A list of words
    or paths may be given without brackets.

    Parameters
    ----------
    multirun : whether commas separate the values of a sweep.
    """
    match = _LINE.fullmatch(line)
    if match is None:
        return line
    key, value = match["key"], match["value"].strip()
    last = key.lstrip("+").rpartition(".")[2]
    is_list = last in LISTS or key.endswith(("rooms.recordings", "noise.recordings"))
    if is_list and value.startswith("[") and value.endswith("]"):
        return f"{key}={_list(value[1:-1])}" if _is_misread_list(line) else line
    if not (is_list or last in TEXTS or key.lstrip("+") == "paths.data"):
        return line
    if value in ("", "null", "???") or not _is_misread(line, multirun):
        return line
    if is_list and "," in value and not multirun:
        return f"{key}={_list(value)}"
    items = value.split(",") if multirun else [value]
    return f"{key}={','.join(map(_text, items))}"


def as_read(line: str) -> Override | None:
    """Parse an override; return None if Hydra cannot."""
    try:
        return OverridesParser.create().parse_overrides([line])[0]
    except HydraException:
        return None


def _is_misread(line: str, multirun: bool) -> bool:
    override = as_read(line)
    if override is None:
        return True
    if override.is_sweep_override():
        value: Any = override.value()
        return isinstance(value, ChoiceSweep) and value.simple_form and not multirun
    return not isinstance(override.value(), str)


def _is_misread_list(line: str) -> bool:
    override = as_read(line)
    if override is None:
        return True
    value: Any = override.value()
    is_list = isinstance(value, list)
    return is_list and not all(isinstance(item, (str, list, dict)) for item in value)


def _list(content: str) -> str:
    items = [found[1] for found in _ITEM.finditer(content.strip())]
    return f"[{','.join(_text(item) for item in items if item)}]"


def _text(value: str) -> str:
    """Put a text into Hydra's quotes, and replace ``~`` by the home folder."""
    value = value.strip()
    if re.fullmatch(_QUOTED, value, re.DOTALL):
        return value
    if value == "~" or value.startswith("~/"):
        value = str(Path(value).expanduser())
    return str(QuotedString(value, Quote.single).with_quotes())
