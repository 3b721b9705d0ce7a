"""Search the settings of a training on its validation split with Optuna's sampler.

Hydra's own Optuna plugin needs Optuna 2 and SQLAlchemy 1.4, and cannot resume a search.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speech_rnn.errors import ConfigurationError
from speech_rnn.storage.atomic import write_json
from speech_rnn.training.storages import StudyPlace, opened

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

log = logging.getLogger(__name__)

JOURNAL = "study.journal"

Values = dict[str, float | str]
"""The settings of a trial, by key."""

Objective = Callable[[Values, Path], float]
"""A function of a trial's values and folder whose result is minimised."""


@dataclass(frozen=True)
class Interval:
    """Numbers from `low` to `high`, uniform or on a `log` scale; integers if `whole`, by `step`.

    Raises
    ------
    ConfigurationError
        if the interval is empty, or reaches 0 on a log scale.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False
    step: int = 1

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ConfigurationError(
                f"interval({self.low},{self.high}): the first value must be below the second"
            )
        if self.log and self.low <= 0:
            raise ConfigurationError(
                f"tag(log,interval({self.low},{self.high})) needs a first value above 0"
            )

    def distribution(self) -> BaseDistribution:
        """Return Optuna's distribution for the interval."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), self.log, self.step)
        return FloatDistribution(self.low, self.high, self.log)

    def used(self, drawn: Any) -> float | int:
        """Return a drawn number rounded to three digits, which are enough."""
        if self.whole:
            return int(drawn)
        return min(max(float(f"{drawn:.3g}"), self.low), self.high)

    def drawn(self, value: Any) -> float | None:
        """Return a value as Optuna would draw it; None if it is outside of the interval."""
        if not isinstance(value, int if self.whole else (int, float)):
            return None
        on_step = not self.whole or (value - self.low) % self.step == 0
        return value if on_step and self.low <= value <= self.high else None


@dataclass(frozen=True)
class Choices:
    """One of several values, as written on the command line."""

    values: tuple[str, ...]

    def distribution(self) -> BaseDistribution:
        """Return Optuna's distribution for the choices."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)

    def used(self, drawn: Any) -> str:
        """Return the value that was drawn."""
        return str(drawn)

    def drawn(self, value: Any) -> str | None:
        """Return a value as Optuna would draw it; None if it is not among the choices."""
        return str(value) if str(value) in self.values else None


Dimension = Interval | Choices


@dataclass(frozen=True)
class Trial:
    """Settings of a trial and their objective; None if the training diverged."""

    number: int
    values: Values
    objective: float | None


@dataclass(frozen=True)
class Search:
    """All trials, the best first, and the name of the objective."""

    objective: str
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The trial with the lowest objective."""
        return self.trials[0]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"objective": f"validation/{self.objective}"}


def search(
    objective: Objective,
    space: Mapping[str, Dimension],
    output_dir: str | Path,
    *,
    trials: int,
    first: Mapping[str, Any] | None = None,
    name: str = "loss",
    seed: int = 0,
    place: StudyPlace | None = None,
) -> Search:
    """Minimise an objective with Optuna's TPE sampler (Bergstra et al., 2011).

    An interrupted search continues: the unfinished trial runs again in its folder with the same
    values. The values of a trial depend on the seed, its number and the trials before it, so that
    an interrupted search ends like an uninterrupted one, and more `trials` may be added later.

    Several processes share a study if each is started with its `place`. Each trial is finished
    once: if its process dies, another one runs it again with the same values.

    Parameters
    ----------
    objective : function of a trial's values and folder; its result is minimised.
    space : range of each key.
    output_dir : folder that receives ``search.json`` and ``trials/N`` for each trial. Processes
        may have the same: then a trial that runs again continues.
    trials : number of trials of the study, including existing ones.
    first : values of the first trial, if all are within the space, such as the defaults.
    name : name of the objective.
    seed : seed of the sampler.
    place : the study that processes share; None for ``study.journal`` in `output_dir`, on which no
        other process may work.

    Raises
    ------
    MissingExtraError
        if Optuna is not installed.
    ConfigurationError
        if the space is empty, `trials` is below 1, or the study has another configuration.
    DataError
        if the storage of the study cannot be opened, or fails later.
    """
    if not space:
        raise ConfigurationError(
            "space=[] is empty; name at least one range: KEY=interval(LOW,HIGH)"
        )
    if trials < 1:
        raise ConfigurationError(f"trials={trials} must be 1 or more")
    output_dir = Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    place = place or StudyPlace(str(output_dir / JOURNAL), patience=0)
    with opened(place) as study:
        from speech_rnn.training.places import Places
        from speech_rnn.training.sampling import SeededByPlace

        start = {key: dimension.drawn((first or {}).get(key)) for key, dimension in space.items()}
        study.sampler = SeededByPlace(seed, None if None in start.values() else start)
        distributions = {key: dimension.distribution() for key, dimension in space.items()}
        places = Places(study, distributions, trials, place.patience)
        for number, trial in places:
            values = {key: space[key].used(trial.params[key]) for key in space}
            log.info("trial %d of %d: %s", number + 1, trials, values)
            with places.alive(trial):
                reached = objective(values, output_dir / "trials" / str(number))
            places.finish(trial, reached)
            _write(_found(study, space, name), output_dir)
        return _write(_found(study, space, name), output_dir)


def _write(found: Search, output_dir: Path) -> Search:
    write_json(output_dir / "search.json", found.to_dict())
    return found


def _found(study: Study, space: Mapping[str, Dimension], name: str) -> Search:
    from speech_rnn.training.places import attempts_of, outcome

    trials = (
        Trial(
            number,
            {key: space[key].used(ended.params[key]) for key in space if key in ended.params},
            ended.value,
        )
        for number, attempts in attempts_of(study.get_trials(deepcopy=False)).items()
        if (ended := outcome(attempts)) is not None
    )
    return Search(
        name, tuple(sorted(trials, key=lambda t: (t.objective is None, t.objective, t.number)))
    )
