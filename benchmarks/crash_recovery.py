"""After how long a run whose machine is gone is marked as crashed by the server.

    python benchmarks/crash_recovery.py

Starts a Prefect server, `terrabalance deploy` and a worker on loopback, begins a run on drawn
scenes, kills the worker and the run with SIGKILL, and waits until no flow run says Running.
Takes about seven minutes.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from prefect_here import running, server

from augment.scenes import draw_dataset

_PATIENCE_S = 600
_LONG = {
    "preset": "demo", "drawn": True, "device": "cpu",
    "training": {"steps": 1_000_000, "evaluations": 0},
    "execution": {"runner": "local"}, "base": {"steps": 2, "evaluations": 0},
    "classifier": {"model": "test_resnet"},
}  # fmt: skip


def main() -> None:
    """Print the seconds from the kill until each flow run was marked."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        draw_dataset(root / "scenes", {"Forest": 10, "River": 8, "Beach": 5}, side_px=32)
        with server(root) as address:
            api = httpx.Client(base_url=address, timeout=30)
            _call("flows", "deploy", "--workdir", str(root))
            with running(
                root / "worker.log", "worker", "start", "--pool", "terrabalance"
            ) as worker:
                config = {**_LONG, "data": str(root / "scenes"), "name": "killed"}
                parameter = f"config={json.dumps(config)}"
                deployment = ("deployment", "run", "balance-dataset/balance-dataset")
                _call("prefect", *deployment, "--param", parameter)
                _wait(lambda: "train-and-synthesize" in _states(api, "RUNNING"), "the training")
                time.sleep(15)  # into the training, with heartbeats sent
                _kill_family(worker.pid)
            killed = time.monotonic()
            print(f"killed with SIGKILL while running: {sorted(_states(api, 'RUNNING'))}")
            _wait(lambda: not _states(api, "RUNNING"), "the server to notice")
            seconds = time.monotonic() - killed
            print(f"after {seconds:.0f} s none was Running, crashed: {_states(api, 'CRASHED')}")


def _call(*words: str) -> None:
    subprocess.run([sys.executable, "-m", *words], check=True, stdout=subprocess.DEVNULL)


def _kill_family(pid: int) -> None:
    """Kill a worker and the runs it started, as a power cut would, parents first."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(pid, signal.SIGKILL)
    for child in children:
        _kill_family(int(child))


def _states(api: httpx.Client, kind: str) -> dict[str, str]:
    """Return the messages of the flow runs in a state, by their flow's name."""
    body = {"flow_runs": {"state": {"type": {"any_": [kind]}}}}
    runs: list[dict[str, Any]] = api.post("/flow_runs/filter", json=body).json()
    return {_flow_name(api, run): run["state"]["message"] or "" for run in runs}


def _flow_name(api: httpx.Client, run: dict[str, Any]) -> str:
    return str(api.get(f"/flows/{run['flow_id']}").json()["name"])


def _wait(ready: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not ready():
        if time.monotonic() > deadline:
            sys.exit(f"waited {_PATIENCE_S} s for {what}")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
