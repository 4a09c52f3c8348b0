"""A Prefect server and workers on loopback, for the benchmarks that need them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.workers.process import ProcessWorker


@contextmanager
def server(root: Path) -> Iterator[str]:
    """Run a server inside the block, and let this process and those it starts use it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    address = f"http://127.0.0.1:{port}/api"
    os.environ |= {
        "PREFECT_HOME": str(root / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "DO_NOT_TRACK": "1",
        "PREFECT_API_URL": address,
    }
    with (
        running(root / "server.log", "server", "start", "--port", str(port)),
        temporary_settings({PREFECT_API_URL: address}),
    ):
        while True:
            try:
                httpx.get(f"{address}/health").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.5)
        yield address


@contextmanager
def running(log: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `prefect words` inside the block."""
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *words],
            stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:  # now and then a Prefect worker misses the signal
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def deploy_flows(pool: str, flows: Sequence[tuple[Flow[..., Any], str]], path: Path) -> None:
    """Register flows for a process pool; `path` is where a worker finds their modules, too."""
    env = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(path), *sys.path])}
    with get_client(sync_client=True) as client:
        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(
            WorkPoolCreate(name=pool, type=ProcessWorker.type, base_job_template=template)
        )
        for each, entrypoint in flows:
            client.create_deployment(
                client.create_flow_from_name(each.name), each.name, work_pool_name=pool,
                entrypoint=entrypoint, pull_steps=[], job_variables={"env": env},
            )  # fmt: skip
