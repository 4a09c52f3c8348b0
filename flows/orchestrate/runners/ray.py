"""Do jobs as tasks of a Ray cluster."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL
from prefect.task_runners import TaskRunner

from flows.orchestrate.artifacts import listen
from flows.orchestrate.job import Job
from flows.orchestrate.job_states import (
    ATTEMPTS,
    LOOK_EVERY_S,
    final_state,
    one_server,
    reasons,
)
from flows.settings.config import RunConfig
from terrabalance.errors import BadInput, ProcessLost

_CONNECT_S = 10.0
_NEEDED = ("gcs_server", "raylet")  # the processes that are a cluster of one machine
_A_NEW_ONE = "local"  # to Ray: never one that is there


def run(config: RunConfig, jobs: Sequence[Job], what: str) -> dict[str, str]:
    """Hand all to the Ray cluster; return label -> reason of those that failed.

    The cluster places each where there is room. A job asks for its GPUs, or its share of one,
    wherever the cluster has any and the device may be one. Ray begins jobs of a lost node or
    process again.

    Raises:
        BadInput: Ray is not installed, no cluster answers, or none of its nodes has the devices.
        ProcessLost: the cluster that was started for this run has ended.
    """
    states: dict[str, State[Any]] = {}
    report = listen(what)
    with one_server(), _ray(config, jobs[0].n_devices) as pool:
        futures = {job.label: pool.submit(job.task, job.parameters) for job in jobs}
        while futures:
            for label, future in list(futures.items()):
                if (state := final_state(future)) is not None:
                    del futures[label]
                    states[label] = state
                    report(len(states), len(jobs))
            _refuse_lost_cluster()
            time.sleep(LOOK_EVERY_S)
    return reasons(states)


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
        connect(config.execution.ray_address)
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


def connect(address: str | None) -> None:
    """Connect to the cluster at `address`, to that of this machine, or start one.

    Raises:
        BadInput: nothing answers there, or its nodes could not report to a Prefect server.
    """
    import ray

    address = address or os.environ.get("RAY_ADDRESS") or _cluster_here()
    if address is None:
        _start_cluster()
    else:
        _join_cluster(address)
    nodes = {node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    server = PREFECT_API_URL.value() or ""
    if len(nodes) > 1 and ("127.0.0.1" in server or "localhost" in server):
        ray.shutdown()
        raise BadInput(
            f"the Ray cluster has {len(nodes)} machines, and the Prefect server that they should "
            "report to is known to this one alone. Start one that all reach, and set "
            "PREFECT_API_URL."
        )


def _start_cluster() -> None:
    import ray

    try:
        with _our_signals():
            ray.init(_A_NEW_ONE, include_dashboard=False, log_to_driver=False)
    except Exception as error:  # Ray raises a bare one where its processes are not there in time
        raise BadInput(
            f"execution.runner=ray: Ray did not start on this machine ({error}). It may be too "
            "busy, or short of memory or of room in /dev/shm or RAY_TMPDIR. Give the same command "
            "again, or take execution.runner=local."
        ) from error


def _join_cluster(address: str) -> None:
    import ray

    try:
        _refuse_unreachable(address)  # Ray itself retries for minutes, and then exits
        with _our_signals():
            ray.init(address, log_to_driver=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise BadInput(
            f"execution.ray_address={address}: this Ray cluster does not answer, or not to us "
            f"({error}). Start one with `ray start --head`, or leave the address out to have one "
            "started on this machine."
        ) from error


def _refuse_lost_cluster() -> None:
    """Refuse to wait for a cluster of ours that has lost what it needs: Ray waits for a new node.

    Raises:
        ProcessLost: a process of it has ended that Ray does not start again.
    """
    from ray._private import worker  # nothing public tells it without asking what is gone

    # Of a cluster that was joined it has no processes: others may mend that.
    node = worker._global_node
    for kind, process in node.dead_processes() if node is not None else ():
        if kind in _NEEDED:
            raise ProcessLost(
                f"Ray's {kind}, which this run started, has ended (exit code "
                f"{process.returncode}; -9 is a kill, often for want of memory), so this stops "
                "too. What is made is kept, and the same command goes on where it was."
            )


@contextmanager
def _our_signals() -> Iterator[None]:
    """Have SIGTERM handled after the block as before it.

    Ray puts a handler in its place that exits with 15, and one below Python's that prints a trace
    of C++ first.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():  # else Ray did not
            signal.signal(signal.SIGTERM, before)


def _cluster_here() -> str | None:
    """Return the address of the cluster that was started on this machine last, if it answers.

    `ray.init()` takes it too, and waits for minutes for one that a crash or a power cut has ended.
    """
    note = Path(os.environ.get("RAY_TMPDIR") or "/tmp") / "ray" / "ray_current_cluster"
    try:
        address = note.read_text().strip()
        _refuse_unreachable(address)
    except (OSError, ValueError):
        return None
    return address or None


def _refuse_unreachable(address: str) -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host:  # else Ray's own `auto`
        socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
