"""Where ``conf/`` is, and the door through which Hydra comes in.

Hydra's own check misses keys that a recipe invents, and stops at the first that the command line
invents; `speech_rnn.config.keys` finds them all before any work starts.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from speech_rnn.config.keys import check, unknown_keys
from speech_rnn.errors import ConfigurationError, spoken_errors

__all__ = ["CONF", "as_typed", "compose", "hydra_door", "parsed", "recipes", "with_model"]

_here = Path(__file__).resolve().parents[1]
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
        if wrong := list(unknown_keys(cfg, primary, "")):
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


def with_model(door: Callable[[], None]) -> Callable[[], None]:
    """Let a door take ``model=FILE``: `model` is a group, so Hydra would look FILE up there."""

    def main() -> None:
        sys.argv[1:] = [re.sub(r"^model=", "recognizer=", argument) for argument in sys.argv[1:]]
        door()

    return main
