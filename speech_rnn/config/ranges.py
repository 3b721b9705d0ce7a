"""The ranges and choices of a search, from its space and from the command line."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from speech_rnn.config.app import as_typed, compose, keys_of, parsed, primary
from speech_rnn.config.given import take_words
from speech_rnn.config.keys import check
from speech_rnn.errors import ConfigurationError
from speech_rnn.training.search import Choices, Dimension, Interval, Values

OF_THIS_PROCESS = ("trials", "storage", "study")
"""Keys of a search that do not decide its trials."""

SEARCH_KEYS = (*OF_THIS_PROCESS, "space", "objective", "swept")
"""Keys of a search that a training does not have."""

OF_THE_SEARCH = ("test", "report", "output_dir", "resume")
"""Keys that a search sets for its trials, but not for the training of the best settings."""


def space_of(cfg: DictConfig) -> dict[str, Dimension]:
    """Return what a search varies: its space, and the ranges of the command line, which win.

    A key to which the command line gives a single value is not varied.

    Raises
    ------
    ConfigurationError
        if an entry is not a range.
    """
    fixed = {_key(override) for override in parsed(HydraConfig.get().overrides.task)}
    ranges = [entry for entry in parsed(cfg.space) if _key(entry) not in fixed] + parsed(cfg.swept)
    return {_key(override): dimension_of(override) for override in ranges}


def _key(override: Override) -> str:
    return override.get_key_element().lstrip("+")


def dimension_of(override: Override) -> Dimension:
    """Return the range of an override, such as ``KEY=interval(LOW,HIGH)``.

    Raises
    ------
    ConfigurationError
        if it is not a range.
    """
    value = override.value()
    if isinstance(value, IntervalSweep):
        low, high = value.start, value.end
        if low is not None and high is not None:
            whole = isinstance(low, int) and isinstance(high, int)
            return Interval(low, high, "log" in value.tags, whole)
    if isinstance(value, RangeSweep) and isinstance(numbers := value.range(), range) and numbers:
        low, high = sorted((numbers[0], numbers[-1]))
        return Interval(low, high, "log" in value.tags, whole=True, step=abs(numbers.step))
    if override.is_discrete_sweep():
        return Choices(tuple(override.sweep_string_iterator()))
    raise ConfigurationError(
        f"space={override.input_line!r} is not a range; write KEY=interval(LOW,HIGH), "
        "KEY=range(FIRST,STOP) or KEY=A,B,C"
    )


def trial_config(values: Values) -> DictConfig:
    """Compose the configuration of the search's own command line with the values of a trial."""
    given = [f"{key}={value}" for key, value in values.items()]
    typed = [*HydraConfig.get().overrides.task, *given]
    cfg = compose("search", as_typed(typed))
    check(cfg, primary("search"))
    take_words(cfg, keys_of(typed))
    return cfg


def defaults_of(cfg: DictConfig, keys: Sequence[str]) -> dict[str, Any]:
    """Return a configuration's values for keys: the option of a group, or the value.

    If no YAML file has a value, the default of the class is returned.
    """
    chosen = HydraConfig.get().runtime.choices
    return {key: chosen[key] if key in chosen else _default(cfg, key) for key in keys}


def _default(cfg: DictConfig, key: str) -> Any:
    place, _, name = key.rpartition(".")
    node = OmegaConf.select(cfg, place) if place else cfg
    if not isinstance(node, DictConfig):
        return None
    if name not in node and "_target_" in node:
        parameter = inspect.signature(get_object(node["_target_"])).parameters.get(name)
        return parameter.default if parameter else None
    return node.get(name)


def train_command(values: Values) -> str:
    """Return the command that trains with the values of a trial and evaluates the test split."""
    task = HydraConfig.get().overrides.task
    kept = [
        line.removeprefix("++")
        for line, override in zip(task, parsed(task), strict=True)
        if _key(override) not in (*SEARCH_KEYS, *OF_THE_SEARCH, *values)
    ]
    given = [f"{key}={value}" for key, value in values.items()]
    return f"python -m speech_rnn.train {shlex.join([*kept, *given])}"
