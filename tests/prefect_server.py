"""A Prefect server on loopback, for the tests that need a real one."""

import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

from filelock import FileLock
from prefect.cli import app
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, temporary_settings
from waiting import PATIENCE_S, eventually

ROOT = Path(__file__).parents[1]


def homes(base: Path) -> Callable[[], Path]:
    """Return what makes Prefect homes below a folder that processes share.

    Their database is up to date: to make a new one takes 5 s of processor time.
    """
    template = base / "prefect-home"
    with FileLock(f"{template}.lock"):
        if not template.exists():
            made = template.with_suffix(".part")
            upgrade = ("prefect", "server", "database", "upgrade", "--yes")
            result = call({**os.environ, "PREFECT_HOME": str(made)}, *upgrade)
            assert result.returncode == 0, result.stdout + result.stderr
            made.rename(template)
    return lambda: Path(shutil.copytree(template, base / f"prefect-{uuid4().hex[:8]}"))


def environment_of(home: Path) -> dict[str, str]:
    """The environment of a user whose Prefect has a home of its own and a server on loopback."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    return {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PORT": str(port),
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }


def of_home(home: Path, **more: str) -> dict[str, str]:
    """The environment of a user whose Prefect has a home of its own, and no server."""
    others = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    return {**others, "PREFECT_HOME": str(home), "NO_COLOR": "1", **more}


def python_of_home(home: Path, script: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a script to its end, whatever it is, in `of_home`."""
    return subprocess.run(
        [sys.executable, "-c", script],
        env=of_home(home, **more), capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip


def call(
    environment: dict[str, str], *words: str, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run `python -m words` to its end, whatever it is."""
    return subprocess.run(
        [sys.executable, "-m", *words],
        capture_output=True, text=True, cwd=cwd, env=environment, timeout=PATIENCE_S, check=False,
    )  # fmt: skip


def prefect(environment: dict[str, str], *words: str) -> str:
    """Do a prefect command that must succeed, in this process; what it printed.

    Another process would import Prefect first, which takes 3 s of processor time.
    """
    said = io.StringIO()
    with (
        temporary_settings({PREFECT_API_URL: environment["PREFECT_API_URL"]}),
        patch.object(sys, "argv", ["prefect", "--no-prompt", *words]),
        redirect_stdout(said),
    ):
        try:
            app()
        except SystemExit as end:
            assert not end.code, said.getvalue()
    return said.getvalue()


@contextmanager
def running(
    environment: dict[str, str], log: Path, *words: str, cwd: Path = ROOT
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `prefect words` beside the test, in a process group of its own."""
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *words],
            cwd=cwd, env=environment, stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # a test may have killed it
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:  # now and then a Prefect worker misses the signal
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def forget_server() -> None:
    """End what this process still sends to a server, so that the next one gets it anew."""
    EventsWorker.drain_all(timeout=10)
    APILogWorker.drain_all(timeout=10)


@contextmanager
def served(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server, and wait until it answers."""
    words = ["server", "start", "--port", environment["PORT"]]
    with running(environment, log, *words) as process:
        eventually(partial(_answers, environment["PREFECT_API_URL"]), "the Prefect server answers")
        yield process


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=PATIENCE_S):
            return True
    except OSError:
        return False
