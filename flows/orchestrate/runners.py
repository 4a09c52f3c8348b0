"""Do work in this process, in a process a device of this machine, or in tasks of a Ray cluster."""

import multiprocessing
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Crashed
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner

from flows.orchestrate.artifacts import listen
from flows.orchestrate.embedded import deaf_children
from flows.orchestrate.job import Work
from flows.settings.config import RunConfig
from flows.store.devices import devices_here, devices_of_class
from terrabalance.device import threads_of_each
from terrabalance.errors import BadInput

ATTEMPTS = 3  # at work whose process, node or worker dies
_LOOK_EVERY_S = 0.5
_KNOCK_S = 10.0


def pool_size(config: RunConfig, n_devices: int) -> int:
    """Return how many pieces of work this machine does at once, each on so many devices.

    Raises:
        BadInput: it has fewer.
    """
    if n_devices > 1:
        devices_of_class(config)  # says so where they are too few
    # The CPU is one device, however many processes are on it.
    at_once = max(1, len(devices_here(config.device)) // n_devices)
    return at_once * config.execution.per_device


def in_turn(works: Sequence[Work]) -> dict[str, str]:
    """Do one after the other in this process; return label -> reason of those that failed."""
    states = {work.label: work.task(**work.parameters, return_state=True) for work in works}
    return _reasons(states)


def in_processes(config: RunConfig, works: Sequence[Work], what: str) -> dict[str, str]:
    """Do as many at once as fit on this machine; return label -> reason of those that failed.

    What is killed takes no other work with it, and is begun again behind the others. Interrupted,
    all end at once: the next run goes on from their checkpoints.
    """
    size = min(pool_size(config, works[0].n_devices), len(works))
    threads = threads_of_each(size)
    left, report, attempts = list(works), listen(what), Counter[str]()
    states: dict[str, State[Any]] = {}
    with _one_server(), ExitStack() as stack, _ending_children():
        slots = [stack.enter_context(_Slot(threads)) for _ in range(size)]
        while left or any(slot.work for slot in slots):
            for slot in slots:
                if slot.work and (state := slot.state()) is not None:
                    work = slot.clear(state)
                    attempts[work.label] += 1
                    if state.is_crashed() and attempts[work.label] < ATTEMPTS:
                        left.append(work)
                        continue
                    states[work.label] = state
                    report(len(states), len(works))
                if slot.work is None and left:
                    slot.begin(left.pop(0))
            time.sleep(_LOOK_EVERY_S)
    return _reasons(states)


@contextmanager
def _ending_children() -> Iterator[None]:
    """Kill the processes that were started in the block where it is left by an exception.

    A pool would wait until they have done their work, for hours.
    """
    others = set(multiprocessing.active_children())
    try:
        yield
    except BaseException:
        for child in set(multiprocessing.active_children()) - others:
            child.kill()
        raise


class _Slot:
    """A process that does one piece of work after the other, and is replaced when it dies."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._stack = ExitStack()
        self._pool: TaskRunner[Any] | None = None
        self._future: PrefectFuture[Any] | None = None
        self.work: Work | None = None

    def __enter__(self) -> "_Slot":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def begin(self, work: Work) -> None:
        """Start work in the process, in a new one if there is none."""
        if self._pool is None:
            # A pool that has lost its process is broken as a whole: so each has but one.
            pool = ProcessPoolTaskRunner(
                1, initializer=torch.set_num_threads, initargs=(self._threads,)
            )
            self._pool = self._stack.enter_context(pool)
        with deaf_children():
            self.work, self._future = work, self._pool.submit(work.task, work.parameters)

    def state(self) -> State[Any] | None:
        """Return the final state of the work, None before."""
        assert self._future is not None
        return _state(self._future)

    def clear(self, state: State[Any]) -> Work:
        """Return the work and be free; after a crash, without a process."""
        assert self.work is not None
        done, self.work = self.work, None
        if state.is_crashed():
            self._stack.close()
            self._pool = None
        return done


def on_ray(config: RunConfig, works: Sequence[Work], what: str) -> dict[str, str]:
    """Hand all to the Ray cluster; return label -> reason of those that failed.

    The cluster places each where there is room. Work asks for its GPUs, or its share of one,
    wherever the cluster has any and the device may be one. Ray begins work of a lost node or
    process again.

    Raises:
        BadInput: Ray is not installed, no cluster answers, or none of its nodes has the devices.
    """
    states: dict[str, State[Any]] = {}
    report = listen(what)
    with _one_server(), _ray(config, works[0].n_devices) as pool:
        futures = {work.label: pool.submit(work.task, work.parameters) for work in works}
        while futures:
            for label, future in list(futures.items()):
                if (state := _state(future)) is not None:
                    del futures[label]
                    states[label] = state
                    report(len(states), len(works))
            time.sleep(_LOOK_EVERY_S)
    return _reasons(states)


def _reasons(states: dict[str, State[Any]]) -> dict[str, str]:
    return {label: str(s.message) for label, s in states.items() if not s.is_completed()}


def _state(future: PrefectFuture[Any]) -> State[Any] | None:
    """Return the final state of a future, None before; a process that was killed has crashed.

    Asks the process and not the server, which may be away.
    """
    try:
        future.result(timeout=0, raise_on_failure=False)
    except TimeoutError:
        return None
    except Exception as error:
        return Crashed(message=f"its process died ({type(error).__name__}: {error})")
    return future.state


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
def _ray(config: RunConfig, n_devices: int) -> Iterator[TaskRunner[Any]]:
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
    n_gpus = n_devices if n_devices > 1 else 1 / config.execution.per_device
    try:
        _find_node(n_devices, "GPU" if on_gpu else "CPU")
        with (
            RayTaskRunner() as pool,
            remote_options(
                num_cpus=n_devices,
                num_gpus=n_gpus if on_gpu else 0,
                max_retries=ATTEMPTS - 1,
                scheduling_strategy="SPREAD",
            ),
        ):
            yield pool
    finally:
        if ours:
            ray.shutdown()


def _find_node(n: int, kind: str) -> None:
    """Refuse what Ray would wait for without end.

    Raises:
        BadInput: no node has `n` of the devices.
    """
    import ray

    most = max(node["Resources"].get(kind, 0) for node in ray.nodes() if node["Alive"])
    if n > max(1, most):
        raise BadInput(
            f"execution.devices_per_class={n}: no node of the Ray cluster has more than {most:g} "
            f"{kind}s. Lower it, or add a node that has."
        )


def _connect(address: str | None) -> None:
    """Connect to the cluster at `address`, to that of this machine, or start one.

    Raises:
        BadInput: nothing answers there, or its nodes could not report to a Prefect server.
    """
    import ray

    try:
        if address is None:
            ray.init(include_dashboard=False, log_to_driver=False)
        else:
            _knock(address)  # Ray itself would try for minutes, and then end this process
            ray.init(address, log_to_driver=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise BadInput(
            f"execution.ray_address={address}: no Ray cluster answers ({error}). Start one with "
            "`ray start --head`, or leave the address out to have one started on this machine."
        ) from error
    nodes = {node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    server = PREFECT_API_URL.value() or ""
    if len(nodes) > 1 and ("127.0.0.1" in server or "localhost" in server):
        ray.shutdown()
        raise BadInput(
            f"the Ray cluster has {len(nodes)} machines, and the Prefect server that they should "
            "report to is known to this one alone. Start one that all reach, and set "
            "PREFECT_API_URL."
        )


def _knock(address: str) -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host:  # else Ray's own `auto`
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()
