"""Prefect's embedded server for the command line: waited for, watched, and never left behind."""

import atexit
import logging
import multiprocessing
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType

import httpx
from prefect.context import refresh_global_settings_context
from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL, get_current_settings

from flows.orchestrate import server_process
from flows.orchestrate.busy import is_busy, patience
from flows.store.locks import locked
from terrabalance.errors import ServerUnreachable
from terrabalance.terminal import Terminal

_log = logging.getLogger(__name__)
_PATIENCE_S = 900.0  # a busy machine, or a database of a former version that is brought up to date
_TELL_EVERY_S = 20.0
_LOOK_EVERY_S = 0.2
_ANSWER_S = 10.0
_LOOPBACK = "127.0.0.1"
_ADDRESS = "PREFECT_API_URL"
_PASSWORD = "PREFECT_API_AUTH_STRING"
_N_KEPT = 200  # lines of what it printed
_AN_ERROR = re.compile(r"[\w.]+(Error|Exception)\b")  # the line that ends a trace


@contextmanager
def embedded_server(meanwhile: Callable[[], object]) -> Iterator[None]:
    """Start Prefect's embedded server for the flows of the block.

    Prefect would start it by itself, give up after 20 s, and leave it behind where this process is
    killed. Signals such as Ctrl-C in a terminal go to every process of the command. A server that
    obeys them is gone before the flow can report that it stopped, and Prefect's client then retries
    for minutes. So the server is in a session of its own, and ends when this process has ended. If
    it ends earlier, by a signal of its own or for want of memory, the command does too.

    Args:
        meanwhile: is called while it starts, which takes seconds; once more where another command
            starts one first.

    Raises:
        ServerUnreachable: it does not start; with its last words.
    """
    _reach_loopback_directly()
    with _one_at_a_time(meanwhile):
        child = _Child()
        atexit.register(child.stop)  # after Prefect's own threads have sent what they have
        meanwhile()
        child.wait_for_answer()
    over = threading.Event()
    threading.Thread(target=_watch, args=(child.process, over), daemon=True).start()
    try:
        with reported_to(child.url, {**_password(), **patience()}):
            yield
    finally:
        over.set()


@contextmanager
def _one_at_a_time(meanwhile: Callable[[], object]) -> Iterator[None]:
    """Let no other command start a server in the block: two that make one database damage it.

    Where Prefect's home takes no lock, the block goes on without.

    Args:
        meanwhile: is called before waiting for the other command.
    """

    def wait(done: int, total: int, message: str = "") -> None:
        _tell(message)
        meanwhile()

    lock = get_current_settings().home / "terrabalance" / "start.lock"
    waiting = "waiting for another command that starts Prefect's server"
    with ExitStack() as held:
        try:
            held.enter_context(locked(lock, waiting, wait))
        except (OSError, NotImplementedError) as error:  # some network folders have no locks
            _log.warning("%s: cannot be locked, so start commands one by one (%s)", lock, error)
        yield


@contextmanager
def reported_to(url: str, more: Mapping[str, str] = MappingProxyType({})) -> Iterator[None]:
    """Let all of this process report to a server in the block, and the processes that it starts.

    `temporary_settings` would hold for this thread alone. Prefect's own threads and Ray's would
    each start another server.

    Args:
        url: the server's address.
        more: settings of Prefect for its clients, as variables of the environment.
    """
    given = {_ADDRESS: url, **more}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    refresh_global_settings_context()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        refresh_global_settings_context()


def refused(answer: httpx.Response) -> ServerUnreachable:
    """Return what is said where the embedded server answers, and with an error."""
    status = f"status {answer.status_code}; `--verbose` shows all that the server said"
    if is_busy(answer):
        return ServerUnreachable(
            f"Prefect's embedded server has been too busy for minutes ({status}). Commands with "
            f"one PREFECT_HOME, here {get_current_settings().home}, share a database that one at a "
            "time can write to. What is made is kept: give the same command again when fewer run, "
            "or with a PREFECT_HOME of its own."
        )
    if answer.is_server_error:
        home = get_current_settings().home
        return ServerUnreachable(
            f"Prefect's embedded server fails ({status}). Its home is {home}, on a disk with "
            f"{shutil.disk_usage(home).free:,} bytes free: it must be writable, and have room. "
            "What is made is kept, and the same command goes on where it was."
        )
    return ServerUnreachable(
        f"Prefect's embedded server refuses what this command asks ({status}). A setting of "
        "Prefect that is meant for another server makes it so: see `prefect config view`, and "
        "unset it for this command."
    )


class _Child:
    """The server's process; its port is bound before it is started, so no other can take it."""

    def __init__(self) -> None:
        with socket.socket() as listener:
            listener.bind((_LOOPBACK, 0))
            self.url = f"http://{_LOOPBACK}:{listener.getsockname()[1]}/api"
            self.process = _start(listener)
        self._said: deque[str] = deque(maxlen=_N_KEPT)
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            text = line.decode(errors="replace").rstrip()
            self._said.append(text)
            _log.info("Prefect's server: %s", text)

    def wait_for_answer(self) -> None:
        """Return once the server answers.

        Raises:
            ServerUnreachable: it ended, did not answer within a quarter of an hour, or refuses.
        """
        began, told = time.monotonic(), 0.0
        while not self._answers():
            waited = time.monotonic() - began
            if self.process.poll() is not None:
                self._reader.join(_ANSWER_S)
                raise ServerUnreachable(
                    f"Prefect's embedded server did not start ({self._last_words()}). Its home is "
                    f"{get_current_settings().home}: it must be writable, on a disk with room, and "
                    "its database prefect.db whole; move a damaged one away, or set PREFECT_HOME "
                    "to another folder. `--verbose` shows all that the server said."
                )
            if waited > _PATIENCE_S:
                raise ServerUnreachable(
                    f"Prefect's embedded server did not answer within {_PATIENCE_S:.0f} s: this "
                    "machine is too busy. Give the same command again when it has time, or start "
                    "`prefect server start` yourself and name it in PREFECT_API_URL."
                )
            if waited - told >= _TELL_EVERY_S:
                told = waited
                _tell(f"waiting for Prefect's server, {waited:.0f} s")
            time.sleep(_LOOK_EVERY_S)

    def _answers(self) -> bool:
        try:
            # Without TLS there is nothing to verify, and to read all certificates takes 20 ms.
            answer = httpx.get(
                f"{self.url}/health", timeout=_ANSWER_S, trust_env=False, verify=False
            )
        except httpx.TransportError:
            return False
        if not answer.is_success:
            raise refused(answer)
        return True

    def _last_words(self) -> str:
        errors = [line for line in self._said if _AN_ERROR.match(line)]
        return errors[-1] if errors else f"exit code {self.process.returncode}"

    def stop(self) -> None:
        """End the process, if it lives."""
        self.process.terminate()
        try:
            self.process.wait(_ANSWER_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _password() -> dict[str, str]:
    """Return what the embedded server asks for: the user may have set it for another one."""
    secret = get_current_settings().server.api.auth_string
    return {_PASSWORD: secret.get_secret_value()} if secret else {}


def _settings() -> dict[str, str]:
    """Return Prefect's settings for the embedded server, as variables of its environment."""
    settings = {
        # As Prefect starts its own.
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
        **get_current_settings().to_environment_variables(exclude_unset=True),
        # That of a server behind a proxy is not where this one is asked.
        "PREFECT_SERVER_API_BASE_PATH": "/api",
    }
    if PREFECT_SERVER_DATABASE_CONNECTION_URL.value().startswith("sqlite"):
        # Others than a file have owners, who may want to do this themselves.
        settings["PREFECT_SERVER_DATABASE_MIGRATE_ON_START"] = "true"
    return settings


def _start(listener: socket.socket) -> "subprocess.Popen[bytes]":
    place = listener.fileno()
    return subprocess.Popen(
        # -P: a folder with a file `uvicorn.py` in it must not decide what is started.
        [sys.executable, "-P", str(Path(server_process.__file__)), str(place), str(os.getpid())],
        env={**os.environ, **_settings()},
        pass_fds=[place],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # A terminal, `timeout` and batch systems signal a whole group: it would end first.
        start_new_session=True,
    )


def _reach_loopback_directly() -> None:
    """Keep requests to this machine from a proxy, which cannot reach it."""
    for name in ("NO_PROXY", "no_proxy"):
        others = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join([*others, _LOOPBACK, "localhost"])


def _watch(process: "subprocess.Popen[bytes]", over: threading.Event) -> None:
    process.wait()
    if over.is_set():
        return
    _tell(
        "Prefect's embedded server has ended, so this stops too. What is made is kept, and the "
        "same command goes on where it was."
    )
    for child in multiprocessing.active_children():
        child.terminate()
    os._exit(1)  # the main thread would retry to reach the server for minutes


def _tell(line: str) -> None:
    Terminal(stderr=True).print(line, soft_wrap=True)
