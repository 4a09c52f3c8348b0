"""Do work in this process, in a process a device of this machine, or in tasks of a Ray cluster."""

import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Crashed
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner

from flows.artifacts import listen
from flows.config import RunConfig
from flows.devices import devices_here
from flows.work import Work
from terrabalance.errors import BadInput

ATTEMPTS = 3  # at work whose process, node or worker dies
_LOOK_EVERY_S = 0.5
_KNOCK_S = 10.0


def pool_size(config: RunConfig) -> int:
    """Return how many pieces of work this machine does at once."""
    return len(devices_here(config.device)) * config.execution.per_device


def in_turn(works: Sequence[Work]) -> dict[str, str]:
    """Do one after the other in this process; return label -> reason of those that failed."""
    states = {work.label: work.task(**work.parameters, return_state=True) for work in works}
    return {label: str(s.message) for label, s in states.items() if not s.is_completed()}


def in_pool(config: RunConfig, works: Sequence[Work], what: str) -> dict[str, str]:
    """Do many at once in other processes; return label -> reason of those that failed.

    A pool of this machine breaks as a whole when one of its processes is killed: what it had not
    finished is begun again in a new one.
    """
    states: dict[str, State[Any]] = {}
    left, report = list(works), listen(what)
    for _ in range(ATTEMPTS):
        with _pool(config) as pool:
            futures = {work.label: pool.submit(work.task, work.parameters) for work in left}
            for label, state in _as_they_end(futures):
                states[label] = state
                report(sum(not ended.is_crashed() for ended in states.values()), len(works))
        left = [work for work in left if states[work.label].is_crashed()]
        if not left:
            break
    return {label: str(s.message) for label, s in states.items() if not s.is_completed()}


def _as_they_end(
    futures: Mapping[str, PrefectFuture[Any]],
) -> Iterator[tuple[str, State[Any]]]:
    left = dict(futures)
    while left:
        for label, future in list(left.items()):
            if (state := _state(future)) is not None:
                del left[label]
                yield label, state
        time.sleep(_LOOK_EVERY_S)


def _state(future: PrefectFuture[Any]) -> State[Any] | None:
    """Return the final state of a future, None before; a process that was killed has crashed."""
    try:
        future.wait(timeout=0)
    except Exception as error:
        return Crashed(message=f"its process died ({type(error).__name__}: {error})")
    return future.state if future.state.is_final() else None


@contextmanager
def _pool(config: RunConfig) -> Iterator[TaskRunner[Any]]:
    kind = _ray if config.execution.runner == "ray" else _processes
    with _one_server(), kind(config) as pool:
        yield pool


@contextmanager
def _one_server() -> Iterator[None]:
    """Let other processes report to this process's own server, where no other is named.

    Each would else start one, which takes longer than many a piece of work.
    """
    if PREFECT_API_URL.value():
        yield
        return
    server = SubprocessASGIServer()
    server.start()
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        yield


@contextmanager
def _processes(config: RunConfig) -> Iterator[TaskRunner[Any]]:
    size = pool_size(config)
    # Together they have the cores that one would have.
    threads = max(1, torch.get_num_threads() // size)
    with ProcessPoolTaskRunner(
        size, initializer=torch.set_num_threads, initargs=(threads,)
    ) as pool:
        yield pool


@contextmanager
def _ray(config: RunConfig) -> Iterator[TaskRunner[Any]]:
    """Yield a pool of the Ray cluster, which places each piece of work where there is room.

    Work asks for a GPU, or its share of one, wherever the cluster has any and the device may be
    one. Ray begins work of a lost node again on another.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody by default
    try:
        import ray
        from prefect_ray import RayTaskRunner
        from prefect_ray.context import remote_options
    except ImportError as error:
        raise BadInput(
            "execution.runner=ray needs Ray. Install it: pip install 'terrabalance[ray]'"
        ) from error
    ours = not ray.is_initialized()
    if ours:
        _connect(config.execution.ray_address)
    may_be_gpu = config.device == "auto" or config.device.startswith("cuda")
    on_gpu = may_be_gpu and ray.cluster_resources().get("GPU", 0) > 0
    try:
        with (
            RayTaskRunner() as pool,
            remote_options(
                num_cpus=1,
                num_gpus=1 / config.execution.per_device if on_gpu else 0,
                max_retries=ATTEMPTS - 1,
                scheduling_strategy="SPREAD",
            ),
        ):
            yield pool
    finally:
        if ours:
            ray.shutdown()


def _connect(address: str | None) -> None:
    """Connect to the cluster at `address`, to that of this machine, or start one.

    Raises:
        BadInput: nothing answers at the address.
    """
    import ray

    if address is None:
        ray.init(include_dashboard=False, log_to_driver=False)
        return
    try:
        _knock(address)  # Ray itself would try for minutes, and then end this process
        ray.init(address, log_to_driver=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise BadInput(
            f"execution.ray_address={address}: no Ray cluster answers ({error}). Start one with "
            "`ray start --head`, or leave the address out to have one started on this machine."
        ) from error


def _knock(address: str) -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()
