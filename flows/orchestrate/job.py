"""A part of a run that may be done on any machine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prefect import Task


@dataclass(frozen=True)
class Job:
    """One part of a run. What it makes are files; only whether it succeeded comes back.

    Attributes:
        label: what people call it, e.g. the class; one of its kind.
        task: does it, in this process or another one.
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
