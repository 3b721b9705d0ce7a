"""Check the keys of a configuration: all wrong keys are reported, each with the nearest right one.

Values are checked too, if the class that takes them declares their types.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hydra.utils import get_object
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf

from speech_rnn.config.moved import moved
from speech_rnn.errors import ConfigurationError, MissingExtraError, did_you_mean

MODEL_FILE = "model_file"
"""The key of a Recognizer's file on the command line, ``model=FILE``. In a recipe, and hence in the
configuration, ``model`` is the network to train."""


def check(cfg: DictConfig, primary: DictConfig) -> None:
    """Raise for unknown keys, missing values, and values of a wrong type.

    A node with ``_target_`` may hold the parameters of its signature. Any other node may hold what
    the `primary` configuration has there, and nodes with ``_target_`` under any name.

    Raises
    ------
    ConfigurationError
        if there are any; it lists all such keys, each with the nearest right one, or all values.
    """
    wrong = [*unknown_keys(cfg, primary, ""), *_missing_values(cfg)]
    wrong = wrong or [*_unnamed(cfg, primary), *_mistyped(cfg, "")]
    if wrong:
        raise ConfigurationError("\n".join(wrong))


def unknown_keys(node: Any, primary: Any, place: str) -> Iterator[str]:
    """Describe each unknown key below `place`, with the nearest right one."""
    if isinstance(node, ListConfig):
        for index, item in enumerate(node._iter_ex(resolve=False)):
            yield from unknown_keys(item, item, f"{place}[{index}]")
    if not isinstance(node, DictConfig) or node._is_none() or node._is_missing():
        return
    if new := moved(str(node.get("_target_"))):
        yield f"{place}._target_={node._target_!r} has moved; write {new}"
        return
    allowed = _allowed_keys(node, primary, place)
    for key in map(str, node):
        name = f"{place}.{key}" if place else key
        if key not in allowed and not key.startswith("_"):
            yield f"unknown key {name!r}{did_you_mean(key, sorted(allowed - {MODEL_FILE}))}"
            continue
        if OmegaConf.is_interpolation(node, key) or OmegaConf.is_missing(node, key):
            continue
        child = primary.get(key) if isinstance(primary, DictConfig) and key in primary else None
        yield from unknown_keys(node._get_node(key), child, name)


def _allowed_keys(node: DictConfig, primary: Any, place: str) -> set[str]:
    if node.get("_target_") is None:
        parts = {str(key) for key, part in node.items_ex(resolve=False) if _is_part(part)}
        return parts | ({str(key) for key in primary} if isinstance(primary, DictConfig) else set())
    return set(inspect.signature(_taker(node, place)).parameters)


def _taker(node: DictConfig, place: str) -> Any:
    """Return the class or function of a node."""
    target = node._target_
    try:
        return get_object(target)
    except MissingExtraError:
        raise
    except Exception as error:
        raise ConfigurationError(f"{place}._target_={target!r} cannot be found: {error}") from error


def _unnamed(cfg: DictConfig, primary: DictConfig) -> Iterator[str]:
    """Describe each required key that was removed, and each part without a class."""
    for key, part in primary.items_ex(resolve=False):
        name = str(key)
        if name not in cfg:
            yield f"{name} is required; remove ~{name}"
        elif _is_part(part) and not _is_part(cfg._get_node(name)):
            yield f"{name} names no class (_target_); choose an option: {name}=NAME"


def _mistyped(node: Any, place: str) -> Iterator[str]:
    """Describe each value below `place` whose type differs from the declared one."""
    if isinstance(node, ListConfig):
        for index, item in enumerate(node._iter_ex(resolve=False)):
            yield from _mistyped(item, f"{place}[{index}]")
    if not isinstance(node, DictConfig) or node._is_none() or node._is_missing():
        return
    hints = {}
    if "_target_" in node:
        taker = _taker(node, place)
        hints = get_type_hints(taker.__init__ if inspect.isclass(taker) else taker)
    values: Any = OmegaConf.to_container(node)
    for key, value in values.items():
        name = f"{place}.{key}" if place else str(key)
        is_left_open = OmegaConf.is_interpolation(node, str(key)) or value == MISSING
        if key in hints and not is_left_open and not _suits(value, hints[key]):
            yield f"{name}={value!r:.80} must be of type {_type_name(hints[key])}"
        yield from _mistyped(node._get_node(key), name)


def _suits(value: Any, hint: Any) -> bool:
    """Return whether a value has the type of a hint, or one that YAML cannot distinguish."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_suits(value, each) for each in inner)
    if hint in (None, NoneType):
        return value is None
    if hint in (int, float):
        number = int if hint is int else (int, float)
        return isinstance(value, number) and not isinstance(value, bool)
    if hint is bool:
        return isinstance(value, bool)
    if hint in (str, Path):
        return isinstance(value, (str, int, float))  # YAML reads 2024 and yes as other types
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, dict) and all(_suits(each, inner[1]) for each in value.values())
    if isinstance(origin, type) and issubclass(origin, Sequence):
        kinds = inner if origin is tuple and inner[-1] is not ... else inner[:1]
        return isinstance(value, list) and all(
            any(_suits(each, kind) for kind in kinds) for each in value
        )
    return True


def _type_name(hint: Any) -> str:
    """Return the name of a type for messages."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_type_name(each) for each in inner))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "mapping"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        each = dict.fromkeys(_type_name(one) for one in inner if one is not ...)
        return f"list ({', '.join(each)})"
    names = {int: "whole number", float: "number", bool: "true or false", NoneType: "null"}
    return names.get(hint, "text" if hint in (str, Path) else getattr(hint, "__name__", str(hint)))


def _is_part(node: Any) -> bool:
    """Return whether a node is an object of its own, which a mapping holds by name."""
    return isinstance(node, DictConfig) and "_target_" in node


def _missing_values(cfg: DictConfig) -> list[str]:
    # OmegaConf's own search for what is missing fails at what refers to it.
    missing = sorted(_missing(OmegaConf.to_container(cfg), ""))
    names = {MODEL_FILE: "model must be given: model=FILE"}
    return [names.get(key, f"{key} must be given: {key}=VALUE") for key in missing]


def _missing(value: Any, place: str) -> Iterator[str]:
    if value == MISSING:
        yield place
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _missing(part, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _missing(part, f"{place}[{index}]")
