"""Which server a command would report to: looked at once, for seconds."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import prefect
import pytest
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_SERVER_EPHEMERAL_ENABLED,
    temporary_settings,
)

from flows.cli.checks.services import check_prefect
from flows.cli.doctor import _finding_of


class _Server(BaseHTTPRequestHandler):
    """Answers as Prefect's server where the address begins with /prefect, else that it is busy."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body = json.dumps(prefect.__version__).encode()
        self.send_response(200 if self.path.startswith("/prefect") else 503)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    """Host and port."""
    _Server.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def look(address: str | None, may_start: bool = True):
    settings = {PREFECT_API_URL: address, PREFECT_SERVER_EPHEMERAL_ENABLED: may_start}
    with temporary_settings(settings):
        return _finding_of("prefect", check_prefect)


def test_a_server_that_answers_is_named_without_its_password(server):
    found = look(f"http://ada:secret@{server}/prefect/api")
    assert (found.state, found.advice) == ("ok", "")
    assert found.found == f"the server at http://{server}/prefect/api answers"


def test_a_busy_server_is_broken_and_not_asked_again(server):
    found = look(f"http://{server}/busy/api")
    assert found.state == "broken" and found.found.endswith("the server fails (status 503)")
    assert found.advice == "See its log, and try again once it works"
    assert len(_Server.asked) == 1


def test_a_server_that_takes_the_request_and_never_answers_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/api"
        found = look(address)
    assert found.state == "broken"
    assert found.found.startswith(f"PREFECT_API_URL={address}: no Prefect server answers there")
    assert found.advice.startswith("Start one with `prefect server start`")


def test_without_an_address_each_command_starts_its_own_where_it_may():
    assert look(None).state == "ok"
    found = look(None, may_start=False)
    assert found.state == "broken" and found.advice == "Name one, or set it to true"
