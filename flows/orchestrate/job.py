"""A piece of a run that may be done on any machine, and who does it: `execution.runner`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from prefect import Task

from flows.settings.config import RunConfig


@dataclass(frozen=True)
class Work:
    """One piece of work. What it makes are files; nothing comes back but whether it went well.

    Attributes:
        label: what people call it, e.g. the class; one of its kind.
        task: what does it, in this process or another one.
        deployment: `flow/deployment` that does the same on a Prefect worker.
        parameters: of both.
        key: names all that decides the result.
        is_done: asks the disk; what is done is not begun.
        n_devices: that it takes at once, all of one machine.
    """

    label: str
    task: Task[..., Any]
    deployment: str
    parameters: dict[str, Any]
    key: str
    is_done: Callable[[], bool]
    n_devices: int = 1


def perform(config: RunConfig, works: Sequence[Work], what: str) -> dict[str, str]:
    """Do all that is not done; return label -> reason of each that failed.

    One that fails does not stop the others. One whose process, node or worker died is begun again
    elsewhere, and goes on from its checkpoint.

    Args:
        config: of the run; `execution` and `device` say where.
        works: independent of one another, each of as many devices.
        what: they are, for the progress.

    Raises:
        BadInput: the settings of `execution` cannot be met here.
    """
    from flows.orchestrate.runners import in_processes, in_turn, on_ray, pool_size
    from flows.orchestrate.workers import by_workers

    left = [work for work in works if not work.is_done()]
    if not left:
        return {}
    if config.execution.runner == "workers":
        return by_workers(left, what)
    if config.execution.runner == "ray":
        return on_ray(config, left, what)
    if pool_size(config, left[0].n_devices) == 1:
        return in_turn(left)
    return in_processes(config, left, what)
