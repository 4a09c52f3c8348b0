"""A real server, two real workers, and the worst that can happen to each."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Pending, Scheduled
from prefect_server import ROOT, environment_of, forget_server, prefect, running, served
from spread import in_mid_training, made_by, wait_for_mid_training, with_the_base
from waiting import PATIENCE_S, eventually

from flows.orchestrate import artifacts, automations, tasks
from flows.orchestrate.deploy import deploy
from flows.orchestrate.job import Job
from flows.orchestrate.runners import workers
from flows.orchestrate.runners.waiting import advice_on, in_words
from flows.settings.config import RunConfig
from flows.stages.progress import watched_by
from flows.store import paths

_SLOTS = "gpus"
_LEASES = "prefect.server.concurrency.lease_storage"
_RUN = """
import sys
from prefect import tags
from flows.orchestrate.balance import train_and_synthesize
from flows.settings.config import RunConfig
with tags("terrabalance"):
    train_and_synthesize(RunConfig.model_validate_json(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def environment(prefect_home) -> dict[str, str]:
    found = environment_of(prefect_home())
    return {
        **found,
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        # In memory, as is the default, a server that is started anew forgets who holds a slot.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": f"{_LEASES}.filesystem",
    }


class Place:
    """A server with deployments, and workers that come and go."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment, self.folder = environment, folder
        self._server = ExitStack()
        # A new one for each question would read all certificates first.
        self.api = httpx.Client(base_url=environment["PREFECT_API_URL"], timeout=PATIENCE_S)

    def start_server(self) -> None:
        log = self.folder / "server.log"
        self._pid = self._server.enter_context(served(self.environment, log)).pid

    def kill_server(self) -> None:
        os.killpg(self._pid, signal.SIGKILL)
        self._server.close()

    def worker(self, name: str) -> Any:
        words = ["worker", "start", "--pool", "terrabalance-gpu", "--limit", "1", "--name", name]
        return running(self.environment, self.folder / f"{name}.log", *words, cwd=self.folder)

    def runs(self, state: str, flow: str | None = None) -> list[dict[str, Any]]:
        body: dict[str, Any] = {"flow_runs": {"state": {"type": {"any_": [state]}}}}
        if flow:
            body["flows"] = {"name": {"any_": [flow]}}
        return self.api.post("/flow_runs/filter", json=body).raise_for_status().json()

    def end(self, state: str, flow: str) -> None:
        """Say of runs that they are completed."""
        body = {"state": {"type": "COMPLETED"}, "force": True}
        for run in self.runs(state, flow):
            self.api.post(f"/flow_runs/{run['id']}/set_state", json=body).raise_for_status()

    def slots_taken(self) -> int:
        limit = self.api.get(f"/v2/concurrency_limits/{_SLOTS}").raise_for_status()
        return int(limit.json()["active_slots"])


@pytest.fixture(scope="module")
def place(environment, tmp_path_factory) -> Iterator[Place]:
    """The server and the deployments; a run that is silent is found out sooner than usual."""
    place = Place(environment, tmp_path_factory.mktemp("place"))
    place.start_server()
    with (
        pytest.MonkeyPatch.context() as patch,
        temporary_settings({PREFECT_API_URL: environment["PREFECT_API_URL"]}),
    ):
        # A run reports every 30 s; on a busy machine it may be late by as much and more.
        patch.setattr(automations, "SILENCE", timedelta(seconds=90))
        deploy("terrabalance", "terrabalance-gpu", place.folder)
        prefect(environment, "gcl", "create", _SLOTS, "--limit", "2")
        yield place
    forget_server()
    place.kill_server()


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    """The workdir of the undisturbed run."""
    return tmp_path_factory.mktemp("alone")


@pytest.fixture(scope="module")
def undisturbed(place, job, alone) -> dict[str, str]:
    return made_by(job(alone))


def kill_family(pid: int) -> None:
    """Kill a worker and the runs it began, as a power cut would, parents first."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(pid, signal.SIGKILL)
    for child in children:
        kill_family(int(child))


def test_a_killed_worker_has_its_class_done_by_another(undisturbed, place, job, tmp_path):
    config = job(tmp_path, runner="workers", slots=_SLOTS)
    with place.worker("first") as first, ExitStack() as others:

        def strike() -> None:
            others.enter_context(place.worker("second"))
            kill_family(first.pid)

        killer = in_mid_training(config, strike)
        assert made_by(config) == undisturbed
        assert not killer.is_alive()
    crashed = place.runs("CRASHED", "fill-class")
    assert len(crashed) == 1 and len(place.runs("COMPLETED", "fill-class")) == 2
    assert not place.runs("RUNNING")
    # The slot that the killed run held.
    eventually(lambda: place.slots_taken() == 0, "all slots are free")


def waiting_for(pool: str) -> str:
    with get_client(sync_client=True) as client:
        return in_words({pool}, advice_on(client, {pool}, ()))


def test_who_waits_for_a_pool_without_workers_is_told_how_to_start_one(place):
    prefect(place.environment, "work-pool", "create", "lonely", "--type", "process")
    advice = "prefect worker start --pool lonely"
    assert "work pool lonely" in waiting_for("lonely") and advice in waiting_for("lonely")
    worker = ["worker", "start", "--pool", "lonely"]
    with running(place.environment, place.folder / "lonely.log", *worker, cwd=place.folder):
        eventually(lambda: advice not in waiting_for("lonely"), "the worker is seen")


def test_a_paused_pool_and_a_limit_of_none_are_told_with_what_ends_them(place):
    prefect(place.environment, "work-pool", "create", "still", "--type", "process")
    for words, ends in (
        (["pause", "still"], "still is paused: prefect work-pool resume still"),
        (["set-concurrency-limit", "still", "0"], "work-pool clear-concurrency-limit still"),
    ):
        prefect(place.environment, "work-pool", *words)
        said = waiting_for("still")
        assert said.endswith(ends)
        prefect(place.environment, *said[said.index("prefect ") :].split()[1:])
        assert ends not in waiting_for("still")
    prefect(place.environment, "work-pool", "delete", "still")
    assert "still was deleted" in waiting_for("still")


def test_who_waits_is_told_when_the_pool_is_paused_meanwhile(place, tmp_path, caplog):
    pool, told = "terrabalance-gpu", list[str]()
    given = {"config": {"data": str(tmp_path)}}
    job = Job("the base", tasks.train_base, "train-base/train-base", given, "paused", lambda: True)

    def strike() -> None:
        try:
            eventually(lambda: told, "it waits")
            prefect(place.environment, "work-pool", "pause", pool)
            advice = f"{pool} is paused: prefect work-pool resume {pool}"
            eventually(lambda: advice in told[-1] and advice in caplog.text, "it is told")
            prefect(place.environment, "work-pool", "resume", pool)
            eventually(lambda: advice not in told[-1], "that it goes on as well")
        finally:
            place.end("SCHEDULED", "train-base")

    striker = Thread(target=strike)
    striker.start()
    with watched_by(lambda _: lambda _done, _total, message="": told.append(message)):
        assert workers.run(RunConfig(data=tmp_path), [job], "the base") == {}
    striker.join()
    assert ["paused" in message for message in told] == [False, True, False, False]


def test_a_killed_flow_and_server_go_on_where_they_were(undisturbed, alone, place, job, tmp_path):
    config = job(with_the_base(alone, tmp_path, "River"), runner="workers")
    before = len(place.runs("COMPLETED", "fill-class"))
    with place.worker("first"):
        flow = subprocess.Popen(
            [sys.executable, "-c", _RUN, config.model_dump_json(exclude_unset=True)],
            cwd=ROOT, env=place.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for_mid_training(config)
        flow.kill()
        flow.wait()
        place.kill_server()
        place.start_server()
        assert made_by(config) == undisturbed
    assert len(place.runs("COMPLETED", "fill-class")) == before + 1  # and was not begun twice
    eventually(lambda: not place.runs("RUNNING"), "no run says that it runs")


def test_a_server_that_is_away_costs_artifacts_and_no_work(
    place, job, tmp_path, caplog, monkeypatch
):
    config = job(tmp_path)
    monkeypatch.setattr(artifacts, "_LEAVE_ALONE_S", 2)

    @flow
    def while_it_is_away() -> None:
        place.kill_server()
        try:
            with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):  # it tries for a minute
                tasks.catalogue.fn(config)
                tasks.plan.fn(config)
                tasks.account.fn(config, {"Beach": "no server"})
        finally:
            place.start_server()
        tasks.account.fn(config, {})

    while_it_is_away()
    assert (paths.report_folder(config) / "account.json").is_file()
    assert "takes no artifact" in caplog.text
    published = place.api.post("/artifacts/filter", json={})
    assert "account" in [artifact["key"] for artifact in published.json()]


def test_a_run_that_a_worker_took_and_never_started_is_given_up(place, monkeypatch):
    monkeypatch.setattr(automations, "START", timedelta(seconds=10))
    deploy("terrabalance", "terrabalance-gpu", place.folder)
    with get_client(sync_client=True) as client:
        known = client.read_deployment_by_name("fill-class/fill-class")
        later = Scheduled(scheduled_time=datetime.now(UTC) + timedelta(days=1))
        parameters = {"config": {"data": "/nowhere"}, "class_name": "Beach"}
        run = client.create_flow_run_from_deployment(known.id, parameters=parameters, state=later)
        client.set_flow_run_state(run.id, Pending(), force=True)
        eventually(lambda: client.read_flow_run(run.id).state.is_crashed(), "given up")
