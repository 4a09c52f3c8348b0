"""The server that a command reports to: waited for, not left behind, and refused in a sentence."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
from prefect.settings import (
    PREFECT_API_SSL_CERT_FILE,
    PREFECT_API_URL,
    PREFECT_SERVER_EPHEMERAL_ENABLED,
    temporary_settings,
)
from prefect_server import environment_of, of_home, python_of_home, served
from waiting import PATIENCE_S, alive_of, eventually

from flows.orchestrate.server import check_server, some_server
from terrabalance.errors import BadInput, ServerUnreachable

# What the start of a command does; prints what the server then knows.
_START = """
import json
from prefect.client.orchestration import get_client
from flows.orchestrate.server import some_server
from flows.orchestrate.stale import tagged

with some_server() as server, tagged(server), get_client(sync_client=True) as client:
    print(json.dumps({run.name: run.state.name for run in client.read_flow_runs()}))
"""


@contextmanager
def begun(home: Path, log: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run Python in a process group of its own; kill what is left of the group at the end."""
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, *words],
            env=of_home(home), stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_run_is_left_alone_while_it_lives_and_marked_as_crashed_once_it_was_killed(
    scenes, tiny_toml, prefect_home, tmp_path
):
    # One class: it is in a process of its own, as there is room for two.
    settings = ["execution.per_device=2", "strategy=scratch", "training.evaluations=0",
                "training.steps=100000", "training.checkpoint_every=5"]  # fmt: skip
    words = ["run", str(scenes), "--config", str(tiny_toml), "--name", "killed"]
    words += ["--workdir", str(tmp_path), *(word for each in settings for word in ("--set", each))]
    home, log = prefect_home(), tmp_path / "log"
    with begun(home, log, "-m", "flows", *words) as process:
        trainings = "data/generators/*/checkpoints/*.pt"
        eventually(
            lambda: list(tmp_path.glob(trainings)) or process.poll() is not None,
                "a training has begun",
        )  # fmt: skip
        assert process.poll() is None, log.read_text()
        assert any("server_process.py" in line for line in alive_of(process.pid))
        os.killpg(process.pid, signal.SIGSTOP)  # it lives, and takes no core from the other
        beside = python_of_home(home, _START)  # with a server of its own, on the same database
        states = json.loads(beside.stdout)
        assert states["balance killed"] == "Running" and "Crashed" not in states.values(), states
        os.killpg(process.pid, signal.SIGCONT)
        process.kill()
        process.wait()
        eventually(lambda: not alive_of(process.pid), "its children are gone too")
    result = python_of_home(home, _START)
    states = json.loads(result.stdout)
    assert len(states) > 1 and set(states.values()) == {"Completed", "Crashed"}, result.stderr
    assert states["balance killed"] == "Crashed"
    assert "balance killed: marked as crashed, its process is gone" in result.stderr
    left = {path.name for path in (home / "terrabalance").glob("*.lock")}
    assert left == {"start.lock"}  # which every command's start holds in its turn


def test_a_server_that_takes_its_time_is_waited_for_and_one_that_answers_with_an_error_is_not(
    prefect_home,
):
    script = """
from flows.orchestrate import embedded
embedded._TELL_EVERY_S = 0.1
child = embedded._Child()
child.wait_for_answer()
child.url += "/nowhere"
try:
    child.wait_for_answer()
except embedded.ServerUnreachable as error:
    print(error)
child.stop()
"""
    result = python_of_home(prefect_home(), script)
    assert result.returncode == 0, result.stderr
    assert "waiting for Prefect's server, " in result.stderr
    assert "refuses what this command asks (status 404;" in result.stdout
    assert "prefect config view" in result.stdout


def test_a_server_that_never_answers_is_given_up_in_a_sentence_and_ended(prefect_home):
    script = """
from flows.orchestrate import embedded
embedded._PATIENCE_S = 0.0
embedded._Child._answers = lambda _self: False
child = embedded._Child()
try:
    child.wait_for_answer()
except embedded.ServerUnreachable as error:
    print(error)
child.stop()
print(child.process.poll() is not None)
"""
    said = python_of_home(prefect_home(), script)
    assert "this machine is too busy" in said.stdout and said.stdout.endswith("True\n"), said.stderr


@pytest.mark.parametrize("damage", ["a database that is none", "a home that is a file"])
def test_a_server_that_cannot_start_says_why_and_names_its_home(damage, tmp_path):
    home = tmp_path / "home"
    if damage == "a database that is none":
        home.mkdir()
        (home / "prefect.db").write_text("no database" * 1000)
    else:
        home.write_text("")
    said = python_of_home(home, _START)
    last = said.stderr.strip().splitlines()[-1]
    assert "ServerUnreachable: Prefect's embedded server did not start" in last
    assert str(home) in last and "PREFECT_HOME" in last


@pytest.mark.parametrize(
    ("variable", "address", "reason"),
    [
        ("HTTPS_PROXY", "xyz://somewhere", "Unknown scheme"),
        ("ALL_PROXY", "socks5://127.0.0.1:9", "SOCKS"),
    ],
)
def test_a_proxy_of_an_unknown_kind_is_one_sentence(variable, address, reason, monkeypatch):
    if address.startswith("socks5") and find_spec("socksio") is not None:
        pytest.skip("socksio is installed here: such a proxy can be used")
    monkeypatch.setenv(variable, address)
    with pytest.raises(BadInput, match=f"proxies .*{reason}.*{variable}"), some_server():
        pass


_ANSWERS = {
    "page": (200, b"<html>", "text/html"),
    "list": (200, b"[1]", "application/json"),
    "nothing": (404, b"not found", "text/plain"),
    "old": (200, b'"2.19.1"', "application/json"),
    "locked": (401, b"{}", "application/json"),
    "broken": (500, b"oh", "text/plain"),
    "busy": (503, b"oh", "text/plain"),
}


class _NotPrefect(BaseHTTPRequestHandler):
    """Answers by the first folder of the address."""

    def do_GET(self) -> None:
        status, body, kind = _ANSWERS[self.path.split("/")[1]]
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("retry-after", "0")  # so that the test need not wait
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def other() -> Iterator[str]:
    """Host and port of a server that is not Prefect's."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _NotPrefect)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (
            "http://127.0.0.1:9/api",
            "no Prefect server answers there .*refused.*prefect server start",
        ),
        ("http://no-such-host.invalid/api", "no Prefect server answers there"),
        ("head:4200/api", "no Prefect server answers there"),
        ("http://127.0.0.1:99999/api", "no Prefect server answers there"),
        ("https://OTHER/page/api", "no Prefect server answers there .*SSL"),
        ("http://OTHER/page/api", "is no Prefect server.* ends with /api"),
        ("http://OTHER/list/api", "is no Prefect server"),
        ("http://OTHER/nothing/api", "is no Prefect server.*404"),
        ("http://OTHER/old/api", r"is Prefect 2\.19\.1, and this is Prefect \d"),
        ("http://OTHER/locked/api", "refuses this user.*PREFECT_API_AUTH_STRING"),
        ("http://OTHER/broken/api", "the server fails .*500"),
        ("http://OTHER/busy/api", "the server fails .*503"),
    ],
)
def test_a_server_that_cannot_be_used_is_one_sentence_with_its_address(address, reason, other):
    url = address.replace("OTHER", other)
    with (
        temporary_settings({PREFECT_API_URL: url}),
        pytest.raises(ServerUnreachable, match=f"^PREFECT_API_URL={url}: .*{reason}") as caught,
    ):
        check_server()
    assert "\n" not in str(caught.value)


def test_a_password_in_the_address_is_not_shown():
    with (
        temporary_settings({PREFECT_API_URL: "http://ada:secret@127.0.0.1:9/api"}),
        pytest.raises(ServerUnreachable, match=r"http://127\.0\.0\.1:9/api") as caught,
    ):
        check_server()
    assert "secret" not in str(caught.value)


def test_a_certificate_that_is_not_there_is_one_sentence(tmp_path):
    wrong = {PREFECT_API_URL: "https://127.0.0.1:9/api",
             PREFECT_API_SSL_CERT_FILE: str(tmp_path / "none.pem")}  # fmt: skip
    with temporary_settings(wrong), pytest.raises(ServerUnreachable, match="No such file"):
        check_server()


def test_where_prefect_may_start_no_server_none_is_started():
    forbidden = {PREFECT_API_URL: None, PREFECT_SERVER_EPHEMERAL_ENABLED: False}
    with (
        temporary_settings(forbidden),
        pytest.raises(ServerUnreachable, match="PREFECT_SERVER_EPHEMERAL_ENABLED=false"),
        some_server(),
    ):
        pass


def test_a_named_server_that_goes_away_ends_the_command_in_a_sentence(prefect_home, tmp_path):
    script = """
import sys
from prefect import flow
from flows.orchestrate.server import some_server

@flow
def waiting():
    print("begun", flush=True)
    sys.stdin.readline()

with some_server():
    waiting()
"""
    environment = environment_of(prefect_home()) | {"PREFECT_CLIENT_MAX_RETRIES": "0"}
    with served(environment, tmp_path / "log"):
        command = subprocess.Popen(
            [sys.executable, "-c", script], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert command.stdout is not None and command.stdout.readline() == "begun\n"
    said = command.communicate("go on\n", timeout=PATIENCE_S)[1]
    address = environment["PREFECT_API_URL"]
    assert f"ServerUnreachable: the Prefect server at {address} does not answer any more" in said
