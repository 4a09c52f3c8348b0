"""What the README tells people to do with Prefect, done for real on loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PREFECT = [sys.executable, "-m", "prefect"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    """The environment of a user whose Prefect has a home of its own and a server on loopback."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    return {
        **os.environ,
        "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect")),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PORT": str(port),
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }


def prefect(environment: dict[str, str], *words: str, timeout_s: int = 240) -> str:
    result = subprocess.run(
        [*PREFECT, "--no-prompt", *words],
        capture_output=True, text=True, cwd=ROOT, env=environment, timeout=timeout_s, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@contextmanager
def running(environment: dict[str, str], log: Path, *words: str) -> Iterator[None]:
    with log.open("w") as file:
        process = subprocess.Popen(
            [*PREFECT, *words],
            cwd=ROOT, env=environment, stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:  # now and then a Prefect worker misses the signal
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for_server(environment: dict[str, str]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(environment["PREFECT_API_URL"] + "/health", timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail("the Prefect server did not start within two minutes")


@pytest.fixture(scope="module")
def pool(environment, tmp_path_factory) -> Iterator[dict[str, str]]:
    """A server, the deployments, and a worker: the README's four commands."""
    logs = tmp_path_factory.mktemp("logs")
    with running(environment, logs / "server", "server", "start", "--port", environment["PORT"]):
        wait_for_server(environment)
        prefect(environment, "work-pool", "create", "terrabalance", "--type", "process")
        prefect(environment, "deploy", "--all")
        worker = ["worker", "start", "--pool", "terrabalance"]
        with running(environment, logs / "worker", *worker):
            yield environment


def test_a_deployment_run_ends_with_a_report(pool, scenes, tiny, tmp_path):
    config = {**tiny, "data": str(scenes), "workdir": str(tmp_path), "name": "deployed"}
    deployment = "balance-dataset/balance-dataset"
    text = prefect(
        pool, "deployment", "run", deployment, "--param", f"config={json.dumps(config)}", "--watch"
    )
    assert "Completed" in text
    assert (tmp_path / "reports" / "deployed" / "index.html").is_file()


def test_all_four_deployments_are_registered(pool):
    text = prefect(pool, "deployment", "ls")
    for name in ("balance-dataset", "scan-and-plan", "train-and-synth", "compare-class"):
        assert name in text


def test_the_server_refuses_a_wrong_parameter(pool, tmp_path):
    config = json.dumps({"data": str(tmp_path), "generator": {"setps": 1}})
    result = subprocess.run(
        [*PREFECT, "--no-prompt", "deployment", "run", "balance-dataset/balance-dataset",
         "--param", f"config={config}"],
        capture_output=True, text=True, cwd=ROOT, env=pool, timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode != 0
    assert "setps" in result.stdout + result.stderr


def test_telemetry_is_off_by_default(environment):
    code = (
        "from prefect.settings import get_current_settings as settings; "
        "print(settings().server.analytics_enabled)"
    )
    plain = {k: v for k, v in environment.items() if k != "PREFECT_SERVER_ANALYTICS_ENABLED"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=plain,
        check=True,
    )
    assert result.stdout.strip() == "False"
