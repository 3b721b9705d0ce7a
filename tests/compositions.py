"""Let Hydra compose several times as fast: the tests do it more than a thousand times.

Hydra reads every file of a composition anew, joins the same files anew, parses each override once
more at each step, and prepares a search for interpolations in lists of defaults that hold none.
What it composes stays the same.
"""

import copy
import pickle
from functools import cache
from pathlib import Path

import omegaconf._utils
import omegaconf.base
from hydra._internal import defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, ConfigRepository
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from speech_rnn.config.app import CONF


def compose_faster():
    """Keep what Hydra has read, for this process."""
    ConfigRepository.load_config = _reading_once(ConfigRepository.load_config)
    ConfigLoaderImpl._compose_config_from_defaults_list = _joining_once(
        ConfigLoaderImpl._compose_config_from_defaults_list
    )
    CachingConfigRepository.__init__ = _sharing_sources
    OmegaConf.load = staticmethod(_loading_once(OmegaConf.load))
    OverridesParser.parse_rule = _parsing_once(OverridesParser.parse_rule)
    defaults_list._create_interpolation_map = _where_needed(defaults_list._create_interpolation_map)
    parse = cache(omegaconf.base.parse)  # nothing changes a parsed interpolation
    omegaconf.base.parse = omegaconf._utils.parse = parse


def _reading_once(load):
    kept = {}

    def load_config(self, config_path):
        places = _places(self)
        if places is None:
            return load(self, config_path)
        key = (places, config_path)
        if key not in kept:
            kept[key] = pickle.dumps(load(self, config_path))
        return pickle.loads(kept[key])  # a copy, since Hydra changes it; faster than deepcopy

    return load_config


def _joining_once(join):
    kept = {}

    def compose_config_from_defaults_list(self, defaults, repo):
        places = _places(repo)
        if places is None:
            return join(self, defaults, repo)
        key = (places, *map(repr, defaults))
        if key not in kept:
            kept[key] = pickle.dumps(join(self, defaults, repo))
        return pickle.loads(kept[key])

    return compose_config_from_defaults_list


def _sharing_sources(self, delegate):
    self.delegate = copy.copy(delegate)  # which replaces its sources, and changes none
    self.cache = {}


def _loading_once(load):
    kept = {}

    def load_file(file_):
        if not isinstance(file_, Path) or CONF not in file_.parents:
            return load(file_)
        if file_ not in kept:
            kept[file_] = pickle.dumps(load(file_))
        return pickle.loads(kept[file_])

    return load_file


def _places(repo):
    """Return where a repository reads; None if it also reads files that a test may change."""
    places = tuple((source.scheme(), source.path) for source in repo.get_sources())
    is_fixed = all(scheme != "file" or path == str(CONF) for scheme, path in places)
    return places if is_fixed else None


def _parsing_once(parse):
    kept = {}

    def parse_rule(self, s, rule_name):
        key = (s, rule_name)
        if key not in kept:
            kept[key] = parse(self, s, rule_name)
        return copy.copy(kept[key])  # Hydra notes in it who asks

    return parse_rule


def _where_needed(create):
    def create_interpolation_map(overrides, defaults, self_added):
        is_needed = any(default.is_interpolation() for default in defaults)
        return create(overrides, defaults, self_added) if is_needed else None

    return create_interpolation_map
