"""Where ``conf/`` is, the check of its keys, and the door through which Hydra comes in.

Hydra's own check misses keys that a recipe invents, and stops at the first that the command line
invents. Here a key that no class takes is an error that names the nearest right one, all of them
at once, before any work starts.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from hydra.utils import get_object
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from speech_rnn.errors import ConfigurationError, MissingExtraError, spoken_errors

__all__ = [
    "CONF",
    "as_typed",
    "check",
    "compose",
    "hydra_door",
    "parsed",
    "recipes",
    "with_model",
]

_here = Path(__file__).resolve().parent
CONF = _here / "conf" if (_here / "conf").is_dir() else _here.parent / "conf"
"""Beside the package in a checkout, inside it in a wheel."""

SUBDIR = "hydra.sweep.subdir"


def recipes() -> list[str]:
    """Return the names that ``+recipe=`` takes."""
    return sorted(path.stem for path in (CONF / "recipe").glob("*.yaml"))


def compose(config_name: str, overrides: list[str], config_dir: str | None = None) -> DictConfig:
    """Compose a configuration as the command line would; inside a door, along its search path.

    Raises
    ------
    ConfigurationError
        if Hydra cannot compose it.
    """
    searchpath = [f"hydra.searchpath=[file://{Path(config_dir).resolve()}]"] if config_dir else []
    is_inside = GlobalHydra.instance().is_initialized()
    try:
        with nullcontext() if is_inside else _at_conf():
            return hydra.compose(config_name, [*overrides, *searchpath])
    except (HydraException, OmegaConfBaseException) as error:
        message = str(error)
        if "Could not override 'recipe'" in message:
            message += "\nA recipe is added: write +recipe=NAME"
        raise ConfigurationError(message) from error


def _at_conf() -> AbstractContextManager[None]:
    return hydra.initialize_config_dir(str(CONF), version_base="1.3")


def parsed(lines: Sequence[str]) -> list[Override]:
    """Read what a command line sets.

    Raises
    ------
    ConfigurationError
        if Hydra cannot read it.
    """
    try:
        return OverridesParser.create().parse_overrides(list(lines))
    except HydraException as error:
        raise ConfigurationError(str(error)) from error


def as_typed(lines: Sequence[str], config_dir: str | None = None) -> list[str]:
    """Return what a command line sets so that `compose` takes it as our doors do.

    Raises
    ------
    ConfigurationError
        if Hydra cannot read it.
    """
    groups = {
        path.relative_to(root).as_posix()
        for root in (CONF, *([Path(config_dir)] if config_dir else []))
        for path in root.rglob("*")
        if path.is_dir()
    }
    return [_forced(override, groups) for override in parsed(lines)]


def check(cfg: DictConfig, primary: DictConfig) -> None:
    """Refuse keys that nothing takes and values that are missing.

    A node with ``_target_`` may hold what its signature names; any other node what the `primary`
    configuration has there, and nodes with ``_target_`` under any name.

    Raises
    ------
    ConfigurationError
        that lists every such key with the nearest right one.
    """
    if wrong := [*_unknown_keys(cfg, primary, ""), *_missing_values(cfg)]:
        raise ConfigurationError("\n".join(wrong))


def hydra_door(config_name: str, run: Callable[[DictConfig], Any]) -> Callable[[], None]:
    """Return the ``main()`` of a command that Hydra configures.

    Its errors are one line and an exit code, without a traceback. What `run` returns goes to the
    sweeper of a multirun.
    """

    def main() -> None:
        with spoken_errors():
            primary = compose(config_name, [])
            sys.argv[1:] = _checked_arguments(config_name, sys.argv[1:], primary)

            def checked_run(cfg: DictConfig) -> Any:
                with spoken_errors():
                    check(cfg, primary)
                    return run(cfg)

            hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(
                checked_run
            )()

    return main


def _checked_arguments(config_name: str, arguments: list[str], primary: DictConfig) -> list[str]:
    """Check the keys of a command line before Hydra does, and let it take every right one.

    Hydra refuses a key that no YAML mentions and advises a ``+``, which would let any key in.
    """
    args = get_args_parser().parse_intermixed_args(arguments)
    if args.help or args.hydra_help or args.info or args.shell_completion:
        return arguments
    overrides = parsed(args.overrides)
    forced = dict(zip(args.overrides, as_typed(args.overrides, args.config_dir), strict=True))
    if not args.multirun:  # the jobs of a sweep are checked one by one
        cfg = compose(args.config_name or config_name, [*forced.values()], args.config_dir)
        if wrong := list(_unknown_keys(cfg, primary, "")):
            raise ConfigurationError("\n".join(wrong))
    # Hydra's own parser wants flags first: train +recipe=digits -m seed=1,2 shall work too.
    named = _sweep_folders(overrides) if args.multirun else []
    return [flag for flag in arguments if flag not in forced] + [*forced.values(), *named]


def _sweep_folders(overrides: Sequence[Override]) -> list[str]:
    """Name the folder of each job by what a sweep varies: ``seed-1`` says more than ``0``."""
    keys = [override.key_or_group for override in overrides if override.is_sweep_override()]
    if not keys or any(override.key_or_group == SUBDIR for override in overrides):
        return []
    return [f"{SUBDIR}='${{swept:${{hydra.overrides.task}},{json.dumps(keys)}}}'"]


def _swept(task: Sequence[str], keys: Sequence[str]) -> str:
    """Return what a job sets of `keys`, as a folder that a command line takes without quotes."""
    settings = [line.lstrip("+").partition("=") for line in task]
    name = "+".join(f"{key}-{value}" for key, _, value in settings if key in keys)
    return re.sub(r"[^\w.+-]+", "_", re.sub(r"[][{}'\"]", "", name))


OmegaConf.register_new_resolver("swept", _swept, replace=True)


def _forced(override: Override, groups: set[str]) -> str:
    """Let a value through even where no YAML mentions its key: the check knows the right ones."""
    line = str(override.input_line)
    is_value = override.type == OverrideType.CHANGE and override.key_or_group not in groups
    is_known_place = override.key_or_group.split(".")[0] != "hydra" and "@" not in line
    is_recipe = override.key_or_group == "recipe"
    return f"++{line}" if is_value and is_known_place and not is_recipe else line


def _unknown_keys(node: Any, primary: Any, place: str) -> Iterator[str]:
    if isinstance(node, ListConfig):
        for index, item in enumerate(node._iter_ex(resolve=False)):
            yield from _unknown_keys(item, item, f"{place}[{index}]")
    if not isinstance(node, DictConfig) or node._is_none() or node._is_missing():
        return
    allowed = _allowed_keys(node, primary, place)
    for key in map(str, node):
        name = f"{place}.{key}" if place else key
        if key not in allowed and not key.startswith("_"):
            near = get_close_matches(key, sorted(allowed), n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(allowed))}"
            yield f"unknown key {name!r}; {hint}"
            continue
        if OmegaConf.is_interpolation(node, key) or OmegaConf.is_missing(node, key):
            continue
        child = primary.get(key) if isinstance(primary, DictConfig) and key in primary else None
        yield from _unknown_keys(node._get_node(key), child, name)


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
    missing = _missing(OmegaConf.to_container(cfg), "")
    return [f"{key} must be given: {key}=VALUE" for key in sorted(missing)]


def _missing(value: Any, place: str) -> Iterator[str]:
    if value == MISSING:
        yield place
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _missing(part, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _missing(part, f"{place}[{index}]")


def with_model(door: Callable[[], None]) -> Callable[[], None]:
    """Let a door take ``model=FILE``: `model` is a group, so Hydra would look FILE up there."""

    def main() -> None:
        sys.argv[1:] = [re.sub(r"^model=", "recognizer=", argument) for argument in sys.argv[1:]]
        door()

    return main
