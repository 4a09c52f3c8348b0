"""A Prefect server that answers 503 is waited for, told of, and given up in a sentence."""

import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import prefect
import pytest
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect_server import python_of_home

from flows.orchestrate import artifacts, busy
from flows.orchestrate.embedded import refused
from flows.orchestrate.runners import workers
from flows.orchestrate.server import _errors_in_words, check_server
from terrabalance.errors import ServerUnreachable

_WELL = f'"{prefect.__version__}"'.encode()  # as its version has it


class Busy(ThreadingHTTPServer):
    """Answers 503 to the first requests, then with its version; counts them."""

    daemon_threads = True

    def __init__(self, n_refused: int) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.n_refused, self.n_asked = n_refused, 0
        self.url = f"http://127.0.0.1:{self.server_port}/api"


class _Answer(BaseHTTPRequestHandler):
    server: Busy

    def do_GET(self) -> None:
        self.server.n_asked += 1
        is_busy = self.server.n_asked <= self.server.n_refused
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b'{"exception_message": "Service Unavailable"}' if is_busy else _WELL
        self.send_response(503 if is_busy else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("retry-after", "0")  # so that the test need not wait
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server_that_refuses() -> Iterator[Callable[[int], Busy]]:
    begun: list[Busy] = []

    def begin(n_refused: int) -> Busy:
        begun.append(Busy(n_refused))
        threading.Thread(target=begun[-1].serve_forever, daemon=True).start()
        return begun[-1]

    yield begin
    for server in begun:
        server.shutdown()
        server.server_close()


@pytest.fixture
def told(caplog, monkeypatch) -> Callable[[], list[str]]:
    """The lines that are told of a server that is busy for as long as two refusals are apart."""
    monkeypatch.setattr(busy, "_NO_NEWS_S", 1e-9)
    log = logging.getLogger("httpx")
    known = list(log.filters)
    log.filters.clear()
    busy.tell_of_busy_server()
    yield lambda: [r.getMessage() for r in caplog.records if r.name.startswith(("flows", "httpx"))]
    log.filters[:] = known


def test_it_is_asked_again_with_one_line(server_that_refuses, told):
    server = server_that_refuses(4)
    with (
        temporary_settings({PREFECT_API_URL: server.url}),
        get_client(sync_client=True) as client,
    ):
        assert client.hello().json() == prefect.__version__
    assert server.n_asked == 5
    assert told() == ["the Prefect server is busy (status 503); asking again"]


def test_single_refusals_are_no_news(server_that_refuses, told):
    for _ in range(3):
        server = server_that_refuses(1)
        with (
            temporary_settings({PREFECT_API_URL: server.url}),
            get_client(sync_client=True) as client,
        ):
            client.hello()
            server.n_asked = 0  # refuses the same request once more
            client.hello()
        assert server.n_asked == 2
    assert told() == []


def test_refusals_of_seconds_alone_are_told(server_that_refuses, told, monkeypatch):
    monkeypatch.setattr(busy, "_NO_NEWS_S", 600.0)
    with (
        temporary_settings({PREFECT_API_URL: server_that_refuses(4).url}),
        get_client(sync_client=True) as client,
    ):
        client.hello()
    assert told() == []


def test_a_named_server_that_is_busy_at_the_start_is_waited_for_with_a_line(
    server_that_refuses, told
):
    server = server_that_refuses(3)
    with temporary_settings({PREFECT_API_URL: server.url}):
        check_server()
    assert server.n_asked == 5  # the last is for its version
    assert told() == ["the Prefect server is busy (status 503); asking again"]


def test_nothing_is_told_of_another_server(server_that_refuses, told):
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert httpx.get(server_that_refuses(1).url, trust_env=False).status_code == 503
    assert told() == []


def test_slots_that_are_never_given_end_the_command_in_a_sentence(server_that_refuses):
    """What a task asks for before it begins, whose error is of another kind."""
    few = {PREFECT_API_URL: server_that_refuses(99).url, PREFECT_CLIENT_MAX_RETRIES: 1}
    with (
        temporary_settings(few),
        pytest.raises(ServerUnreachable, match=r"too busy .*status 503.*What is made is kept"),
        _errors_in_words("Prefect's embedded server", refused, "later"),
        concurrency("tag:of-this-test"),
    ):
        pass


def test_a_server_that_goes_away_while_slots_are_asked_for_is_a_sentence_too():
    nobody = {PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    with (
        temporary_settings(nobody),
        pytest.raises(ServerUnreachable, match="does not answer any more"),
        _errors_in_words("Prefect's embedded server", refused, "later"),
        concurrency("tag:of-another-test"),
    ):
        pass


def test_a_command_waits_for_minutes_for_its_own_server(prefect_home):
    script = """
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES
from flows.orchestrate.server import some_server
with some_server():
    print(PREFECT_CLIENT_MAX_RETRIES.value())
"""
    said = python_of_home(prefect_home(), script)
    retries = int(said.stdout)
    assert sum(2**n for n in range(1, retries + 1)) > 300, said.stderr  # as Prefect doubles it


def test_how_often_the_user_wants_it_asked_counts():
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 1}):
        assert busy.patience() == {}


@pytest.mark.filterwarnings("ignore:Artifact creation outside")
def test_the_work_does_not_wait_longer_for_news(server_that_refuses, monkeypatch):
    monkeypatch.setattr(artifacts, "_quiet_until", 0.0)
    server = server_that_refuses(99)
    with temporary_settings({PREFECT_API_URL: server.url, PREFECT_CLIENT_MAX_RETRIES: 8}):
        assert artifacts._publish(create_markdown_artifact, key="a", markdown="a") is None
    assert 1 < server.n_asked <= 6  # Prefect's own five retries


def test_a_run_that_waits_for_workers_asks_again(server_that_refuses, monkeypatch):
    monkeypatch.setattr(workers, "_LOOK_EVERY_S", 0.0)
    server = server_that_refuses(3)
    few = {PREFECT_API_URL: server.url, PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(few), get_client(sync_client=True) as client:
        assert workers._patiently(client.hello).json() == prefect.__version__
        server.n_asked = 0
        monkeypatch.setattr(workers, "_PATIENCE_S", -1.0)
        with pytest.raises(PrefectHTTPStatusError):
            workers._patiently(client.hello)
    assert server.n_asked == 1
