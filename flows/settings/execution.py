"""Where the classes of a run are worked on, and how many at once."""

import os
from typing import Literal, cast, get_args

from pydantic import Field

from terrabalance.errors import BadInput
from terrabalance.settings import Settings
from terrabalance.wording import shown

RunnerName = Literal["local", "ray", "workers"]

# `terrabalance deploy` sets the runner of deployed flows by it.
RUNNER_VARIABLE = "TERRABALANCE_RUNNER"


def _usual_runner() -> RunnerName:
    """Return the runner that the environment names, or that of a single machine."""
    name = os.environ.get(RUNNER_VARIABLE) or "local"
    if name not in get_args(RunnerName):
        raise BadInput(
            f"The environment variable {RUNNER_VARIABLE} is {shown(name)}: give one of "
            f"{', '.join(get_args(RunnerName))}, or unset it."
        )
    return cast(RunnerName, name)


class ExecutionConfig(Settings):
    """How the classes of a run are spread over devices and machines; no part of the result."""

    runner: RunnerName = Field(
        default_factory=_usual_runner,
        description="local: this machine, one process a device, the classes queued; ray: tasks of "
        "a Ray cluster (needs terrabalance[ray]); workers: a deployment run a class, for any "
        "number of Prefect workers (needs `terrabalance deploy`); left out: local, and in "
        "deployments with a pool for GPUs of its own: workers",
    )
    per_device: int = Field(
        1, ge=1, le=64, description="classes at once on one GPU, or, run locally, on the CPU"
    )
    devices_per_class: int = Field(
        1,
        ge=1,
        le=64,
        description="devices of one machine that train one class, or the base, together: GPUs, or "
        "on the CPU processes; for more GPUs than classes, as a GPU for each class is always the "
        "better use of several",
    )
    ray_address: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        description="of a running Ray cluster, e.g. ray://head:10001; none: that of this machine, "
        "or where there is none, one that is started for the run",
    )
    slots: str | None = Field(
        None,
        pattern=r"^[^/%&><\x00]+$",
        max_length=200,
        description="name of a Prefect global concurrency limit; a job that uses a device holds "
        "one of its slots, across all runs and machines",
    )
