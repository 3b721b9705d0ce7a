"""Convert plain values of JSON to dataclasses, and check their types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

MOST = 1e30
"""Largest absolute number; infinity, NaN and longer integers are rejected."""


def typed(kind: type[T], values: Any) -> T:
    """Return a dataclass `kind` from `values`.

    Raises
    ------
    TypeError
        if `values` is not a mapping of its fields, or a value has another type than its field.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"{kind.__name__}={values!r:.80} must be a mapping")
    hints = get_type_hints(kind)
    names = [each.name for each in fields(kind)]  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in names:
            raise TypeError(f"{kind.__name__} has no {name!r:.80}")
        if not fits(value, hints[name]):
            raise TypeError(
                f"{name}={value!r:.80} is not a {getattr(hints[name], '__name__', hints[name])}"
            )
    return kind(**values)


def fits(value: Any, hint: Any) -> bool:
    """Return whether a value of JSON has the type of a hint, with finite numbers."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(fits(value, each) for each in inner)
    if hint in (int, float):
        number = int if hint is int else (int, float)
        return isinstance(value, number) and not isinstance(value, bool) and -MOST < value < MOST
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, dict) and all(
            fits(key, inner[0]) and fits(each, inner[1]) for key, each in value.items()
        )
    if origin is not None and issubclass(origin, Sequence):
        return isinstance(value, (list, tuple)) and all(fits(each, inner[0]) for each in value)
    return isinstance(value, NoneType if hint is None else hint)
