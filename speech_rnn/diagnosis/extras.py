"""Find the extras of this package that are complete, by its own metadata."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from speech_rnn.errors import install_line

LIGHT = ("mic", "serve", "ovos")
"""Extras that work without PyTorch, so that a light install may have them, too."""


@dataclass(frozen=True)
class Extra:
    """An extra of this package, or, without a name, the plain install.

    Parameters
    ----------
    name : name of the extra; empty for the plain install.
    missing : requirements that are not installed, or in another version, such as
        ``sounddevice>=0.5``.
    line : command that installs what is missing; None if nothing is.
    """

    name: str
    missing: tuple[str, ...]
    line: str | None


def find_extras(package: str, requires: Iterable[str]) -> list[Extra]:
    """Return the plain install and each extra, in the order of the metadata.

    Parameters
    ----------
    package : name of the package, whose extras may name each other.
    requires : its requirements, as `importlib.metadata.requires` gives them.
    """
    parsed = [Requirement(text) for text in requires]
    names = dict.fromkeys(name for each in parsed for name in _extras_of(each))
    plain = _missing(package, parsed, "", set())
    is_light = bool(plain)
    found = [Extra("", plain, install_line(None) if plain else None)]
    for name in names:
        lacking = _missing(package, parsed, name, set())
        line = _line(name, lacking, is_light=is_light) if lacking else None
        found.append(Extra(name, lacking, line))
    return found


def _line(name: str, missing: Sequence[str], *, is_light: bool) -> str:
    """Return what installs an extra; a light install stays light where the extra allows that."""
    if is_light and name in LIGHT:
        return f"pip install {' '.join(repr(each) for each in missing)}"
    return install_line(name)


def _extras_of(requirement: Requirement) -> list[str]:
    """Return the extra that brings a requirement, as a list of one, or none."""
    text = str(requirement.marker or "")
    _, found, rest = text.partition("extra == ")
    return [rest.split('"')[1]] if found else []


def _missing(
    package: str, requires: Sequence[Requirement], extra: str, seen: set[str]
) -> tuple[str, ...]:
    """Return what an extra lacks, and the extras of this package that it names."""
    seen.add(extra)
    lacking: dict[str, None] = {}
    for each in requires:
        if _extras_of(each) != ([extra] if extra else []):
            continue
        if each.marker is not None and not each.marker.evaluate({"extra": extra}):
            continue
        if canonicalize_name(each.name) == canonicalize_name(package):
            for inner in each.extras - seen:
                lacking |= dict.fromkeys(_missing(package, requires, inner, seen))
        elif not _is_installed(each):
            lacking[f"{each.name}{each.specifier}"] = None
    return tuple(lacking)


def _is_installed(requirement: Requirement) -> bool:
    try:
        return requirement.specifier.contains(version(requirement.name), prereleases=True)
    except PackageNotFoundError:
        return False
