"""Find ``conf/``, and turn a command line into a checked configuration.

Hydra itself does not report wrong keys in a recipe, and stops at the first wrong key of a command
line. `speech_rnn.config.keys` finds all of them before any work starts.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shlex
import sys
import tempfile
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, Quote, QuotedString
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from speech_rnn.config.given import check_taken, take_words
from speech_rnn.config.keys import MODEL_FILE, check, unknown_keys
from speech_rnn.config.quoting import as_read, quoted
from speech_rnn.errors import (
    ConfigurationError,
    SpeechRnnError,
    did_you_mean,
    own_error,
    printed_errors,
)
from speech_rnn.storage.folders import writing
from speech_rnn.training.launching import is_first, reported_once

_here = Path(__file__).resolve().parents[1]
CONF = _here / "conf" if (_here / "conf").is_dir() else _here.parent / "conf"
"""The folder ``conf``: beside the package in a checkout, inside of it in a wheel."""
SUBDIR = "hydra.sweep.subdir"
_NO_OPTION = re.compile(r"(?:In '.+': )?Could not find '(?P<group>[^']+)/(?P<name>[^'/]+)'")
MOST_OF_NAME = 60
"""Longest folder name; the rest is replaced by a hash. File systems allow 255 bytes."""


def recipes() -> list[str]:
    """Return the names that ``+recipe=`` accepts."""
    return sorted(path.stem for path in (CONF / "recipe").glob("*.yaml"))


def recipe_lines() -> list[str]:
    """Return a line for each recipe: its name, and the sentence that its file opens with."""
    lines = []
    for name in recipes():
        comments = (CONF / "recipe" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
        about = next(one for one in comments if one.startswith("# ") and "@package" not in one)
        lines.append(f"{name:24}{about.removeprefix('# ')}")
    return lines


def compose(config_name: str, overrides: list[str], config_dir: str | None = None) -> DictConfig:
    """Compose a configuration from overrides; within a Hydra command, use its search path.

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
    except SpeechRnnError:
        raise
    except Exception as error:  # a user's YAML file may cause any error within Hydra
        is_hydras = isinstance(error, (HydraException, OmegaConfBaseException))
        message = str(error) if is_hydras else f"the configuration cannot be composed: {error}"
        if "Could not override 'recipe'" in message:
            message += "\nA recipe is added: write +recipe=NAME"
        if lacks := _NO_OPTION.match(message):
            listing = message.partition("Config search path")[0]
            options = re.findall(r"^\t(.+)$", listing, re.MULTILINE)
            message = f"{lacks['group']}={lacks['name']!r} does not exist"
            message += did_you_mean(lacks["name"], options)
        raise ConfigurationError(message) from error


@contextmanager
def building() -> Iterator[None]:
    """Turn Hydra's error about a part that cannot be built into one line that names the part.

    Raises
    ------
    ConfigurationError
        in place of Hydra's error, unless the part raised an error of its own.
    """
    try:
        yield
    except InstantiationException as error:
        if own_error(error) is not None:
            raise
        key = str(error).rpartition("full_key: ")[2] or "a part"
        reason = " ".join(str(error.__cause__ or error).split())
        raise ConfigurationError(f"{key} cannot be built from its values: {reason}") from error


def _at_conf() -> AbstractContextManager[None]:
    return hydra.initialize_config_dir(str(CONF), version_base="1.3")


@cache
def primary(config_name: str) -> DictConfig:
    """Return the configuration of a command without any overrides."""
    return compose(config_name, [])


def parsed(lines: Sequence[str]) -> list[Override]:
    """Parse the overrides of a command line.

    Raises
    ------
    ConfigurationError
        if Hydra cannot parse them.
    """
    try:
        return OverridesParser.create().parse_overrides(list(lines))
    except HydraException as error:
        wrong = next((line for line in lines if as_read(line) is None), "")
        key, sign, value = wrong.partition("=")
        if not sign:
            raise ConfigurationError(
                f"{wrong!r} on the command line has no value; write KEY=VALUE"
            ) from error
        right = shlex.quote(f"{key}={QuotedString(value, Quote.double).with_quotes()}")
        raise ConfigurationError(
            f"{wrong} cannot be read; if the value is text, quote it twice: {right}"
        ) from error


def keys_of(lines: Sequence[str]) -> set[str]:
    """Return the keys and groups that a command line sets."""
    return {override.key_or_group for override in parsed(lines)}


def as_typed(lines: Sequence[str], config_dir: str | None = None) -> list[str]:
    """Return the overrides of a command line in the form that `compose` takes.

    A value is accepted even if no YAML file has its key; `check` finds wrong keys. If the command
    line selects an option of a group, the values of its file win over those that a recipe sets in
    that group. A front also brings its features, whatever the recipe's are.

    Raises
    ------
    ConfigurationError
        if Hydra cannot parse a line, or a line sweeps over a group that the recipe changes.
    """
    roots = [CONF, *([Path(config_dir)] if config_dir else [])]
    groups = {path.parent.relative_to(root).as_posix() for root in roots for path in _yamls(root)}
    overrides = parsed(lines)
    chosen = _chosen(overrides, groups)
    if "front" in chosen:
        overrides = [*parsed([*_brought(chosen["front"], chosen, roots)]), *overrides]
        chosen = _chosen(overrides, groups)
    recipe = next((one.value() for one in overrides if one.key_or_group == "recipe"), None)
    undone = [
        line
        for group, values in _own_values(str(recipe), roots).items()
        if group in chosen
        for line in _undone(chosen[group], values, config_dir)
    ]
    typed = [_forced(override, groups) for override in overrides]
    return [line for line in undone if line not in typed] + typed


def _chosen(overrides: Sequence[Override], groups: set[str]) -> dict[str, Override]:
    """Return the options that a command line selects, by group."""
    return {
        override.key_or_group: override
        for override in overrides
        if override.type == OverrideType.CHANGE and override.key_or_group in groups
    }


def _brought(front: Override, chosen: dict[str, Override], roots: Sequence[Path]) -> Iterator[str]:
    """Return the lines of a front's file, so that they take precedence over the recipe."""
    given: Any = OmegaConf.to_container(_file(f"front/{front.value()}", roots))
    for line in given.pop("defaults", []):
        for group, option in line.items():  # override /features: NAME
            name = group.rpartition("/")[2]
            if name not in chosen:
                yield f"{name}={option}"
    for key, value in given.get("model", {}).items():
        yield f"model.{key}={json.dumps(value)}"


def _yamls(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*.yaml") if path.parent != root)


def _forced(override: Override, groups: set[str]) -> str:
    """Allow a value: Hydra rejects keys that no YAML file has, and suggests ``+`` instead."""
    line, key = str(override.input_line), override.key_or_group
    is_value = override.type == OverrideType.CHANGE and key not in groups
    is_known_place = re.split("[./]", key)[0] not in ("hydra", "recipe")
    is_known_place &= override.package is None
    return f"++{line}" if is_value and is_known_place else line


def _file(name: str, roots: Sequence[Path]) -> DictConfig:
    """Return the content of the first file with this name, or an empty configuration."""
    paths = [path for root in roots if (path := root / f"{name}.yaml").exists()]
    if not paths:
        return OmegaConf.create({})
    try:
        values = OmegaConf.load(paths[0])
    except Exception as error:  # errors of YAML, of its encoding or of OmegaConf
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{paths[0]} cannot be read as YAML: {reason}") from error
    if not isinstance(values, DictConfig):
        raise ConfigurationError(f"{paths[0]} must hold one key and value on each line: key: value")
    return values


def _own_values(recipe: str, roots: Sequence[Path], made: tuple[str, ...] = ()) -> DictConfig:
    """Return the values that a recipe and its base recipes set in addition to chosen options."""
    if recipe in made:
        raise ConfigurationError(f"recipe={recipe!r} includes itself: {', '.join(made)}")
    values = _file(f"recipe/{recipe}", roots)
    defaults = values.pop("defaults", None)
    listed = defaults if isinstance(defaults, ListConfig) else ()  # Hydra rejects anything else
    parents = [one for one in listed if isinstance(one, str)]
    merged = OmegaConf.merge(
        *(_own_values(parent, roots, (*made, recipe)) for parent in parents), values
    )
    assert isinstance(merged, DictConfig)
    return merged


def _undone(chosen: Override, own: Any, config_dir: str | None) -> Iterator[str]:
    """Return the overrides that restore an option's own values where the recipe changes them."""
    group, name = chosen.key_or_group, chosen.value()
    if not isinstance(name, str):
        raise ConfigurationError(
            f"{chosen.input_line} sweeps over {group}, and the recipe changes an option of it; "
            "run one command for each"
        )
    try:
        composed: Any = OmegaConf.to_container(compose(f"{group}/{name}", [], config_dir))
    except ConfigurationError:
        return  # there is no such option: Hydra then lists the options
    option = composed.get(group, {})
    for key in own:
        if key in option:
            yield f"++{group}.{key}={json.dumps(option[key])}"
        elif not OmegaConf.is_missing(own, key):
            yield f"~{group}.{key}"


def read_arguments(arguments: Sequence[str]) -> Namespace:
    """Separate the overrides of a command line (``overrides``) from Hydra's flags, in any order."""
    parser = ArgumentParser(add_help=False)
    parser.add_argument("overrides", nargs="*")
    for flags in ("--help -h", "--hydra-help", "--version", "--multirun -m", "--run -r",
                  "--resolve", "--shell-completion -sc"):  # fmt: skip
        parser.add_argument(*flags.split(), action="store_true")
    for flags in ("--cfg -c", "--package -p", "--config-path -cp", "--config-name -cn",
                  "--config-dir -cd", "--experimental-rerun"):  # fmt: skip
        parser.add_argument(*flags.split())
    parser.add_argument("--info", "-i", nargs="?", const="all")
    return parser.parse_intermixed_args(arguments)


def run_app(config_name: str, run: Callable[[DictConfig], Any]) -> None:
    """Run a command with Hydra; a multirun's sweeper gets what `run` returns."""
    OmegaConf.register_new_resolver("swept", _swept, replace=True)
    OmegaConf.register_new_resolver("recipe_lines", _indented_recipes, replace=True)
    with reported_once():
        sys.argv[1:] = _checked_arguments(config_name, sys.argv[1:])
    if config_name == "train":
        sys.argv[1:] += _quiet_arguments()

    def job(cfg: DictConfig) -> Any:
        folder = HydraConfig.get().runtime.output_dir
        # Hydra would print a traceback for an exception that leaves a job.
        with printed_errors(), writing(folder, "output_dir"), building():
            with reported_once():
                check(cfg, primary(config_name))
                typed = keys_of(HydraConfig.get().overrides.task)
                take_words(cfg, typed)
                check_taken(cfg, typed - _own_keys(config_name))
            return run(cfg)

    logging.raiseExceptions = False  # no traceback for each line of a log that cannot be written

    hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(job)()


def _quiet_arguments() -> list[str]:
    """Return overrides that keep a process from writing and printing beside the first one."""
    if is_first():
        return []
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    log_file = f"hydra.job_logging.handlers.file.filename={os.devnull}"
    return [f"hydra.run.dir={tempfile.gettempdir()}", log_file]


def _indented_recipes() -> str:
    """Return the recipes as ``--help`` lists them, in a block that is indented by two."""
    return "\n  ".join(recipe_lines())


def _own_keys(config_name: str) -> set[str]:
    """Return the keys of a command's own file that a training does not have."""
    return set() if config_name == "train" else {str(key) for key in _file(config_name, [CONF])}


def _checked_arguments(config_name: str, arguments: list[str]) -> list[str]:
    """Check the keys of a command line before Hydra does, and return overrides that it accepts."""
    args = read_arguments(arguments)
    if args.help or args.hydra_help or args.info or args.shell_completion:
        return arguments
    flags = [argument for argument in arguments if argument not in args.overrides]
    lines, known = args.overrides, primary(config_name)
    if MODEL_FILE in {*known}:
        # `model` is a group: Hydra would look for FILE among its options.
        lines = [re.sub("^model=", f"{MODEL_FILE}=", line) for line in lines]
    lines = [quoted(line, multirun=args.multirun) for line in lines]
    overrides = parsed(lines)
    if "swept" in known and not args.multirun:  # a search: Hydra allows ranges in a multirun only
        ranges = [str(one.input_line) for one in overrides if one.is_sweep_override()]
        lines = [line for line in lines if line not in ranges]
        lines += [f"swept={json.dumps(ranges)}"] if ranges else []
    typed = as_typed(lines, args.config_dir)
    if args.multirun:  # its jobs are checked one by one
        return [*flags, *typed, *_sweep_folders(overrides)]
    cfg = compose(args.config_name or config_name, typed, args.config_dir)
    if wrong := list(unknown_keys(cfg, known, "")):
        raise ConfigurationError("\n".join(wrong))
    # Hydra's own parser requires flags first, but train +recipe=digits -m seed=1,2 works too.
    return [*flags, *typed]


def _sweep_folders(overrides: Sequence[Override]) -> list[str]:
    """Name the folder of each job after its swept values: ``seed-1`` rather than ``0``."""
    keys = [override.key_or_group for override in overrides if override.is_sweep_override()]
    if not keys or any(override.key_or_group == SUBDIR for override in overrides):
        return []
    return [f"{SUBDIR}='${{swept:${{hydra.overrides.task}},{json.dumps(keys)}}}'"]


def _swept(task: Sequence[str], keys: Sequence[str]) -> str:
    """Return a job's values of `keys` as a folder name that needs no quotes in a shell."""
    settings = [line.lstrip("+").partition("=") for line in task]
    name = "+".join(f"{key}-{value}" for key, _, value in settings if key in keys)
    name = re.sub(r"[^\w.+-]+", "_", re.sub(r"[][{}'\"]", "", name))
    if len(name) <= MOST_OF_NAME:
        return name
    return f"{name[: MOST_OF_NAME - 9]}-{hashlib.sha1(name.encode()).hexdigest()[:8]}"
