"""The settings of a training, searched on its validation split by Optuna's sampler.

Hydra's own Optuna plugin needs Optuna 2 and SQLAlchemy 1.4, and begins anew where it was cut off.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speech_rnn.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

__all__ = ["Choices", "Dimension", "Interval", "Search", "Trial", "Values", "search"]

log = logging.getLogger(__name__)

JOURNAL = "study.journal"

Values = dict[str, float | str]
"""What a trial sets, by key."""

Objective = Callable[[Values, Path], float]
"""Called with a trial's values and folder; smaller is better."""


@dataclass(frozen=True)
class Interval:
    """Numbers from `low` to `high`, evenly or in their logarithm; `whole` ones in steps of `step`.

    Raises
    ------
    ConfigurationError
        if it is empty, or holds 0 where the logarithm is taken.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False
    step: int = 1

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ConfigurationError(f"interval({self.low},{self.high}) must ascend")
        if self.log and self.low <= 0:
            raise ConfigurationError(
                f"tag(log,interval({self.low},{self.high})) must begin above 0"
            )

    def distribution(self) -> BaseDistribution:
        """Return it as Optuna's."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), self.log, self.step)
        return FloatDistribution(self.low, self.high, self.log)

    def used(self, drawn: Any) -> float | int:
        """Return a number of three digits: more would say nothing."""
        if self.whole:
            return int(drawn)
        return min(max(float(f"{drawn:.3g}"), self.low), self.high)

    def drawn(self, value: Any) -> float | None:
        """Return a value as Optuna would draw it; None where it lies outside."""
        if not isinstance(value, int if self.whole else (int, float)):
            return None
        on_step = not self.whole or (value - self.low) % self.step == 0
        return value if on_step and self.low <= value <= self.high else None


@dataclass(frozen=True)
class Choices:
    """One of several values, each as it is written on a command line."""

    values: tuple[str, ...]

    def distribution(self) -> BaseDistribution:
        """Return it as Optuna's."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)

    def used(self, drawn: Any) -> str:
        """Return the value."""
        return str(drawn)

    def drawn(self, value: Any) -> str | None:
        """Return a value as Optuna would draw it; None where it is none of them."""
        return str(value) if str(value) in self.values else None


Dimension = Interval | Choices


@dataclass(frozen=True)
class Trial:
    """What was tried, and the objective that it reached; None where the training diverged."""

    number: int
    values: Values
    objective: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"number": self.number, "values": self.values, "objective": self.objective}


@dataclass(frozen=True)
class Search:
    """Every trial, the best first, and the name of what they minimise."""

    objective: str
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The trial of the lowest objective."""
        return self.trials[0]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "objective": f"validation/{self.objective}",
            "trials": [trial.to_dict() for trial in self.trials],
        }


def search(
    objective: Objective,
    space: Mapping[str, Dimension],
    output_dir: str | Path,
    *,
    trials: int,
    first: Mapping[str, Any] | None = None,
    name: str = "loss",
    seed: int = 0,
) -> Search:
    """Minimise an objective by Optuna's TPE sampler (Bergstra et al., 2011).

    A search that was cut off goes on: the trial under way is run again, in its folder, with its
    values. What a trial draws depends on the seed, its number and the trials before it, so that it
    ends as an unbroken one does; and more `trials` may be asked for later.

    Parameters
    ----------
    space : what may be set, by key.
    output_dir : gets ``study.journal``, ``search.json`` and a folder ``trials/N`` for each.
    trials : how many there shall be, with those that are there already.
    first : what the first trial sets, if the space holds it, such as the defaults.
    name : of the objective.
    seed : of the sampler.

    Raises
    ------
    MissingExtraError
        without Optuna.
    ConfigurationError
        for an empty space, and fewer than one trial.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise MissingExtraError("optuna", "search") from error
    if not space:
        raise ConfigurationError("space=[] must name what is searched: KEY=interval(LOW,HIGH)")
    if trials < 1:
        raise ConfigurationError(f"trials={trials} must be 1 or more")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    output_dir = Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(output_dir / JOURNAL)))
    study = optuna.create_study(storage=storage, study_name="search", load_if_exists=True)
    distributions = {key: dimension.distribution() for key, dimension in space.items()}
    start = {key: dimension.drawn((first or {}).get(key)) for key, dimension in space.items()}
    if not study.trials and None not in start.values():
        study.enqueue_trial(start)
    while len(_finished(study)) < trials:
        number, drawn = _next(study, distributions, seed)
        values = {key: space[key].used(drawn[key]) for key in space}
        log.info("trial %d of %d: %s", number + 1, trials, values)
        reached = objective(values, output_dir / "trials" / str(number))
        if math.isfinite(reached):
            study.tell(number, reached)
        else:
            study.tell(number, state=optuna.trial.TrialState.FAIL)
        found = _found(study, space, name)
        (output_dir / "search.json").write_text(json.dumps(found.to_dict(), indent=2) + "\n")
    return _found(study, space, name)


def _finished(study: Study) -> list[Any]:
    return [trial for trial in study.trials if trial.state.is_finished()]


def _next(
    study: Study, distributions: dict[str, BaseDistribution], seed: int
) -> tuple[int, dict[str, Any]]:
    """Return number and parameters of the trial that was cut off, or else of a new one."""
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        if trial.params.keys() == distributions.keys():
            return trial.number, trial.params
        study.tell(trial.number, state=TrialState.FAIL)  # cut off while it was drawn
    number = len(_finished(study))
    own_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    study.sampler = TPESampler(seed=own_seed)
    asked = study.ask(distributions)
    return asked.number, asked.params


def _found(study: Study, space: Mapping[str, Dimension], name: str) -> Search:
    trials = [
        Trial(
            trial.number,
            {key: space[key].used(trial.params[key]) for key in space if key in trial.params},
            trial.value,
        )
        for trial in _finished(study)
    ]
    return Search(
        name, tuple(sorted(trials, key=lambda t: (t.objective is None, t.objective, t.number)))
    )
