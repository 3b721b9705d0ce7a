"""A key that nothing takes is an error that names the nearest right one, all of them at once."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from hydra.utils import get_object
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf

from speech_rnn.config.moved import moved
from speech_rnn.errors import ConfigurationError, MissingExtraError, did_you_mean

MODEL_FILE = "model_file"
"""The key of a Recognizer's file, which a command line gives as ``model=FILE``: in a recipe, and so
in the configuration, ``model`` is the network that the recipe trains."""


def check(cfg: DictConfig, primary: DictConfig) -> None:
    """Refuse keys that nothing takes and values that are missing.

    A node with ``_target_`` may hold what its signature names; any other node what the `primary`
    configuration has there, and nodes with ``_target_`` under any name.

    Raises
    ------
    ConfigurationError
        that lists every such key with the nearest right one.
    """
    if wrong := [*unknown_keys(cfg, primary, ""), *_missing_values(cfg)]:
        raise ConfigurationError("\n".join(wrong))


def unknown_keys(node: Any, primary: Any, place: str) -> Iterator[str]:
    """Describe each key below `place` that nothing takes, with the nearest right one."""
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
    target = node.get("_target_")
    if target is None:
        parts = {str(key) for key, part in node.items_ex(resolve=False) if _is_part(part)}
        return parts | ({str(key) for key in primary} if isinstance(primary, DictConfig) else set())
    try:
        taken = get_object(target)
    except MissingExtraError:
        raise
    except Exception as error:
        raise ConfigurationError(f"{place}._target_={target!r} cannot be found: {error}") from error
    return set(inspect.signature(taken).parameters)


def _is_part(node: Any) -> bool:
    """Whether a node is a thing of its own, to which a mapping gives a name."""
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
