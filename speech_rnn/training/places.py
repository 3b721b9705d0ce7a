"""The places of a study. Processes share them, and each place is tried to its end once.

A trial of Optuna is an attempt at a place. The first attempt draws its values; if its process dies,
another attempt has the same values. Optuna's heartbeat needs a database and `Study.optimize`;
here, signs of life are attributes of a trial, so that a journal file has them as well. Only their
changes count, because the clocks of machines differ.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

log = logging.getLogger(__name__)

PLACE = "place"
"""Attribute of an attempt that repeats an earlier one."""
VOID = "void"
"""Attribute of an attempt that does not count: superfluous, or given back by its process."""
DIVERGED = "diverged"
BEAT = "beat"
MOST_ATTEMPTS = 3
"""Attempts at a place that end with their process, after which it is given up."""
BEATS = 6
"""Signs of life in the time after which a process without one is taken for dead."""
LOOKS = 12
"""Looks at the study in this time, while another process has the last places."""

Attempts = dict[int, list[FrozenTrial]]


def attempts_of(trials: Sequence[FrozenTrial]) -> Attempts:
    """Return the attempts at each place, in their order."""
    found: Attempts = {}
    n_first = 0
    for trial in sorted(trials, key=lambda one: one.number):
        place = trial.user_attrs.get(PLACE)
        if place is None:
            place, n_first = n_first, n_first + 1
        found.setdefault(place, []).append(trial)
    return found


def place_of(number: int, trials: Sequence[FrozenTrial]) -> int:
    """Return the place of the trial with a number."""
    return next(
        place
        for place, attempts in attempts_of(trials).items()
        if any(one.number == number for one in attempts)
    )


def outcome(attempts: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Return the attempt that ended a place: complete, diverged, or the last one to be made."""
    failed = [one for one in attempts if one.state == TrialState.FAIL]
    ended = [one for one in attempts if one.state == TrialState.COMPLETE]
    ended += [one for one in failed if DIVERGED in one.user_attrs]
    died = [one for one in failed if VOID not in one.user_attrs]
    return next(iter([*ended, *died[MOST_ATTEMPTS - 1 :]]), None)


class Places:
    """The work of one process on a study.

    Parameters
    ----------
    study : the study, with its sampler.
    distributions : range of each value.
    n_places : number of places, those of all processes together.
    patience : as in `StudyPlace`.
    """

    def __init__(
        self,
        study: optuna.Study,
        distributions: dict[str, BaseDistribution],
        n_places: int,
        patience: float,
    ) -> None:
        self._study, self._distributions = study, distributions
        self._n_places, self._patience = n_places, patience
        self._seen: dict[int, tuple[Any, float]] = {}

    def __iter__(self) -> Iterator[tuple[int, optuna.Trial]]:
        """Yield places with attempts of this process, until all places have an outcome.

        While other processes have the last places, it waits, since they may die.
        """
        is_logged = False
        while True:
            attempts = self._attempts()
            wanted = [attempts.get(place, []) for place in range(self._n_places)]
            n_open = sum(outcome(tried) is None for tried in wanted)
            if not n_open:
                return
            if self._repeat(wanted) or len(attempts) < self._n_places:
                taken = self._taken()
                if taken is not None:
                    yield taken
                continue
            if not is_logged:
                log.info("waiting for %d trials of other processes", n_open)
                is_logged = True
            time.sleep(self._patience / LOOKS)

    @contextmanager
    def alive(self, trial: optuna.Trial) -> Iterator[None]:
        """Give signs of life during an attempt, and give it back if the block raises."""
        ended = threading.Event()
        beating = threading.Thread(target=self._beat, args=(trial, ended), daemon=True)
        if self._patience:
            beating.start()
        try:
            yield
        except BaseException:
            with suppress(optuna.exceptions.OptunaError, OSError, ValueError):
                self._void(trial)
            raise
        finally:
            ended.set()
            if self._patience:
                beating.join()

    def finish(self, trial: optuna.Trial, value: float) -> None:
        """Keep the result of an attempt; without one if it is not finite."""
        try:
            if math.isfinite(value):
                self._study.tell(trial, value)
            else:
                trial.set_user_attr(DIVERGED, True)
                self._study.tell(trial, state=TrialState.FAIL)
        except (optuna.exceptions.UpdateFinishedTrialError, ValueError):
            log.warning("another process repeats a trial, since this one gave no sign of life")

    def _attempts(self) -> Attempts:
        """Return the attempts at each place; those of dead processes have failed."""
        attempts = attempts_of(self._study.get_trials(deepcopy=False))
        for place, tried in attempts.items():
            for one in tried:
                if one.state == TrialState.RUNNING and self._is_dead(one):
                    log.info("trial %d has lost its process", place + 1)
                    with suppress(optuna.exceptions.UpdateFinishedTrialError, ValueError):
                        self._study.tell(one.number, state=TrialState.FAIL)
        return attempts_of(self._study.get_trials(deepcopy=False))

    def _is_dead(self, trial: FrozenTrial) -> bool:
        beat, now = trial.user_attrs.get(BEAT), time.monotonic()
        last, since = self._seen.setdefault(trial.number, (beat, now))
        if beat != last:
            self._seen[trial.number] = (beat, now)
            return False
        return now - since >= self._patience

    def _repeat(self, wanted: Sequence[Sequence[FrozenTrial]]) -> bool:
        """Queue an attempt at each place whose attempts failed; return whether any is queued."""
        is_queued = False
        for place, tried in enumerate(wanted):
            states = {one.state for one in tried}
            if states == {TrialState.FAIL} and outcome(tried) is None:
                whole = [
                    one.params for one in tried if one.params.keys() == self._distributions.keys()
                ]
                self._study.enqueue_trial(whole[0] if whole else {}, {PLACE: place})
                is_queued = True
            is_queued |= TrialState.WAITING in states
        return is_queued

    def _taken(self) -> tuple[int, optuna.Trial] | None:
        """Return a place and an attempt at it; None if another process has the place."""
        trial = self._study.ask(self._distributions)
        trials = self._study.get_trials(deepcopy=False)
        place = place_of(trial.number, trials)
        earlier = [one for one in attempts_of(trials)[place] if one.number < trial.number]
        is_had = any(not one.state.is_finished() for one in earlier) or outcome(earlier) is not None
        if place >= self._n_places or is_had:
            self._void(trial)
            return None
        return place, trial

    def _void(self, trial: optuna.Trial) -> None:
        trial.set_user_attr(VOID, True)
        self._study.tell(trial, state=TrialState.FAIL)

    def _beat(self, trial: optuna.Trial, ended: threading.Event) -> None:
        number = 0
        while not ended.wait(self._patience / BEATS):
            number += 1
            # A storage that does not answer now may answer the next time.
            with suppress(optuna.exceptions.OptunaError, OSError):
                trial.set_user_attr(BEAT, number)
