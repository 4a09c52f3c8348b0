"""Have the jobs of a run done, by whom `execution.runner` names."""

from collections.abc import Callable, Sequence

from flows.orchestrate.job import Job
from flows.orchestrate.runners import local, ray, workers
from flows.settings.config import RunConfig

Runner = Callable[[RunConfig, Sequence[Job], str], dict[str, str]]
RUNNERS: dict[str, Runner] = {"local": local.run, "ray": ray.run, "workers": workers.run}


def perform(config: RunConfig, jobs: Sequence[Job], what: str) -> dict[str, str]:
    """Do all jobs that are not done; return label -> reason of each that failed.

    A job that fails does not stop the others. One whose process, node or worker died is begun again
    elsewhere, and goes on from its checkpoint.

    Args:
        config: of the run; `execution` and `device` choose the place.
        jobs: independent of one another, each of as many devices.
        what: they are, for the progress.

    Raises:
        BadInput: the settings of `execution` cannot be met here.
    """
    left = [job for job in jobs if not job.is_done()]
    return RUNNERS[config.execution.runner](config, left, what) if left else {}
