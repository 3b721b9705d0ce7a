"""The sampler of a search: TPE, seeded anew for each trial."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from speech_rnn.training.places import place_of


class SeededByPlace(BaseSampler):
    """The TPE sampler (Bergstra et al., 2011), with a seed for each place of a study.

    Processes that draw at the same time draw different values. The values of other running trials
    are avoided.

    Parameters
    ----------
    seed : seed of the search.
    first : values of the first trial; None if they are drawn, too.
    """

    def __init__(self, seed: int, first: Mapping[str, Any] | None) -> None:
        self._seed, self._first, self._place = seed, first, 0
        self._own = self._seeded()

    def _seeded(self) -> TPESampler:
        words = np.random.SeedSequence([self._seed, self._place]).generate_state(1)
        with warnings.catch_warnings():  # Optuna 4 calls the option experimental
            warnings.simplefilter("ignore", ExperimentalWarning)
            return TPESampler(seed=int(words[0]), constant_liar=True)

    @property
    def _is_given(self) -> bool:
        return self._first is not None and self._place == 0

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Choose the seed."""
        self._place = place_of(trial.number, study.get_trials(deepcopy=False))
        self._own = self._seeded()
        self._own.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the ranges that are drawn together."""
        return {} if self._is_given else self._own.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw values together."""
        return self._own.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw one value."""
        if self._first is not None and self._is_given:
            return self._first[param_name]
        return self._own.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Let the sampler note what it wants to keep."""
        self._own.after_trial(study, trial, state, values)
