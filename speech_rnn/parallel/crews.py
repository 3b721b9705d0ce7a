"""Choose the crew of a job: processes of this machine, or actors of a Ray cluster."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

from speech_rnn.errors import ConfigurationError
from speech_rnn.parallel.job import Crew, Job
from speech_rnn.parallel.processes import processes
from speech_rnn.parallel.ray_actors import check_address, ray_actors


@dataclass(frozen=True)
class Spread:
    """How a job is spread over processes.

    Parameters
    ----------
    jobs : number of processes; None is 1, or one for each CPU of the cluster.
    ray : address of a Ray cluster, see `ray_actors`; None uses processes of this machine.

    Raises
    ------
    ConfigurationError
        if `jobs` is no whole number above 0.
    """

    jobs: int | None = None
    ray: str | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and not (isinstance(self.jobs, int) and self.jobs >= 1):
            raise ConfigurationError(f"jobs={self.jobs!r} must be a whole number above 0")

    def check(self) -> None:
        """Raise a `ConfigurationError` now, before long work, if a cluster does not answer."""
        if self.ray is not None:
            check_address(self.ray)

    @property
    def is_alone(self) -> bool:
        """Whether this process does the work itself."""
        return self.ray is None and (self.jobs or 1) == 1

    def crew(self, job: Job, n_parts: int) -> AbstractContextManager[Crew]:
        """Return the crew for a job of `n_parts` parts, as a context manager that ends it.

        Raises
        ------
        ConfigurationError, MissingExtraError
            in the cases of `ray_actors`.
        """
        if self.ray is not None:
            return ray_actors(job, self.ray, self.jobs, n_parts)
        return processes(job, min(self.jobs or 1, n_parts))
