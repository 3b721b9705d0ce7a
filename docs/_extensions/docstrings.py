"""Read the docstrings' one-line parameters, ``name : what it is``, as descriptions.

The numpy convention takes what follows the colon for a type; here it is a sentence.
"""

from __future__ import annotations

import inspect
from typing import Any

from sphinx.application import Sphinx

SECTIONS = ("Parameters", "Attributes")


def section_lines(lines: list[str]) -> list[tuple[str, str]]:
    """Pair each line with the section that it stands in, ``""`` before the first."""
    section, pairs = "", []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        rule = following.strip()
        if rule and set(rule) == {"-"} and not line.startswith(" "):
            section = line.strip()
        pairs.append((section, line))
    return pairs


def parameters(documented: Any) -> dict[str, str]:
    """Return the sentence of each parameter that a docstring describes, by name."""
    found: dict[str, str] = {}
    names: list[str] = []
    for section, line in section_lines((inspect.getdoc(documented) or "").splitlines()):
        head, colon, text = line.partition(" : ")
        if section != "Parameters":
            continue
        if colon and not line.startswith(" "):
            names = head.split(", ")
            found |= dict.fromkeys(names, text.strip())
        elif line.startswith(" "):
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found


def describe(
    app: Sphinx, what: str, name: str, documented: Any, options: Any, lines: list[str]
) -> None:
    """Put the sentence of each parameter on a line of its own, as a description."""
    result = []
    for section, line in section_lines(lines):
        head, colon, text = line.partition(" : ")
        is_entry = section in SECTIONS and colon and not line.startswith(" ")
        result += [head, f"    {text}"] if is_entry else [line]
    lines[:] = result


def setup(app: Sphinx) -> dict[str, bool]:
    """Run before napoleon reads the docstrings, whose priority is 500."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", describe, priority=400)
    return {"parallel_read_safe": True}
