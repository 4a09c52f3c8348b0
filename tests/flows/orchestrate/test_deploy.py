"""What the documentation tells people to do with Prefect, done for real on loopback."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Crashed
from prefect_server import ROOT, call, environment_of, forget_server, prefect, running, served
from typer.testing import CliRunner
from waiting import PATIENCE_S, eventually

from flows.cli.app import app
from flows.orchestrate.automations import TAG, watches
from flows.orchestrate.balance import compare_classifiers
from flows.orchestrate.deploy import ENTRIES
from flows.orchestrate.deploy import deploy as register
from terrabalance.errors import BadInput, ServerUnreachable

WHOLE = "balance-dataset/balance-dataset"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """A folder that is no checkout, as on a worker's machine."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def environment(prefect_home) -> dict[str, str]:
    return environment_of(prefect_home())


@pytest.fixture(scope="module")
def server(environment, elsewhere) -> Iterator[dict[str, str]]:
    """A server on which the flows have been registered twice."""
    with served(environment, elsewhere / "server.log"):
        result = call(environment, "flows", "deploy", cwd=elsewhere)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "prefect worker start --pool terrabalance-gpu" in result.stdout
        deploy(environment, elsewhere)
        yield environment
        forget_server()


def deploy(environment: dict[str, str], folder: Path) -> None:
    with temporary_settings({PREFECT_API_URL: environment["PREFECT_API_URL"]}):
        # A folder that each worker makes for itself.
        register("terrabalance", "terrabalance-gpu", folder / "work")


@contextmanager
def client_of(environment: dict[str, str]) -> Iterator[SyncPrefectClient]:
    with (
        temporary_settings({PREFECT_API_URL: environment["PREFECT_API_URL"]}),
        get_client(sync_client=True) as client,
    ):
        yield client


def asked(environment: dict[str, str], kind: str, which: dict[str, Any] | None = None) -> Any:
    """All that the server has of a kind."""
    address = f"{environment['PREFECT_API_URL']}/{kind}/filter"
    answer = httpx.post(address, json=which or {}, timeout=PATIENCE_S)
    return answer.raise_for_status().json()


def deployments(environment: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {record["name"]: record for record in asked(environment, "deployments")}


def test_a_worker_without_a_checkout_runs_a_deployment_to_its_report(
    server, elsewhere, scenes, tiny
):
    config = {**tiny, "data": str(scenes), "name": "deployed"}
    config["execution"] = {"runner": "local"}  # the only worker is that of the waiting flow's pool
    config["classifier"] = {**tiny["classifier"], "seeds": [0]}
    with running(
        server, elsewhere / "worker.log", "worker", "start", "--pool", "terrabalance", cwd=elsewhere
    ):
        text = prefect(
            server, "deployment", "run", WHOLE, "--param", f"config={json.dumps(config)}", "--watch"
        )
    assert "Completed" in text
    assert (elsewhere / "work" / "reports" / "deployed" / "index.html").is_file()


def test_deploying_twice_makes_one_of_each(server):
    assert sorted(deployments(server)) == sorted(entry.flow.name for entry in ENTRIES)
    names = sorted(automation["name"] for automation in asked(server, "automations"))
    assert names == sorted(watch.name for watch in watches())
    changed = {"filter": {"event": {"name": ["prefect.automation.updated"]}}}
    # An update would forget the runs whose silence it is waiting out.
    assert asked(server, "events", changed)["events"] == []
    pools = asked(server, "work_pools")
    assert sorted(p["name"] for p in pools) == ["terrabalance", "terrabalance-gpu"]
    assert {p["type"] for p in pools} == {"process"}


def test_deploying_again_keeps_the_schedules(server, elsewhere):
    schedule = ["deployment", "schedule", "create", WHOLE, "--cron", "0 3 * * 0"]
    prefect(server, *schedule, "--timezone", "UTC")
    deploy(server, elsewhere)
    kept = deployments(server)["balance-dataset"]["schedules"]
    assert [one["schedule"]["cron"] for one in kept] == ["0 3 * * 0"]
    with client_of(server) as client:
        client.delete_deployment_schedule(kept[0]["deployment_id"], kept[0]["id"])


def test_deploying_again_into_one_pool_sends_work_to_no_other_worker(server, elsewhere):
    with temporary_settings({PREFECT_API_URL: server["PREFECT_API_URL"]}):
        register("terrabalance", "terrabalance", elsewhere)
    assert "TERRABALANCE_RUNNER" not in str(deployments(server))
    deploy(server, elsewhere)
    whole = deployments(server)["balance-dataset"]
    assert whole["job_variables"]["env"]["TERRABALANCE_RUNNER"] == "workers"


def test_every_run_sends_a_sign_of_life_in_time_for_the_automation(server):
    within_s = asked(server, "automations")[0]["trigger"]["within"]
    for record in deployments(server).values():
        every_s = int(record["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])
        assert 2 * every_s < within_s
        assert "terrabalance" in record["tags"]  # by which the automation knows our runs


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"generator": {"setps": 1}}, "setps"),
        ({"training": {"steps": 0}}, "steps"),
        ({"preset": "huge"}, "preset"),
    ],
)
def test_the_server_refuses_a_wrong_parameter(server, tmp_path, settings, named):
    whole = deployments(server)["balance-dataset"]["id"]
    answer = httpx.post(
        f"{server['PREFECT_API_URL']}/deployments/{whole}/create_flow_run",
        json={"parameters": {"config": {"data": str(tmp_path), **settings}}},
        timeout=PATIENCE_S,
    )
    assert answer.is_client_error and named in answer.text


def test_a_wrong_parameter_is_told_where_it_is_given(server, tmp_path):
    config = json.dumps({"data": str(tmp_path), "generator": {"setps": 1}})
    result = call(
        server, "prefect", "--no-prompt", "deployment", "run", WHOLE, "--param", f"config={config}"
    )
    assert result.returncode != 0 and "setps" in result.stdout + result.stderr


@pytest.fixture(scope="module")
def registered(server, tmp_path_factory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What we registered, and what is there once `prefect deploy` did.

    It does so for the checkout's file and the weekly example in one go: it imports the flows.
    """
    ours = deployments(server)
    every = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    weekly = yaml.safe_load((ROOT / "docs" / "examples" / "weekly.yaml").read_text())
    every["deployments"] += weekly.pop("deployments")
    assert list(weekly) == ["name"]  # nothing of it is left out
    file = tmp_path_factory.mktemp("registered") / "prefect.yaml"
    file.write_text(yaml.safe_dump(every))
    result = call(server, "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file))
    assert result.returncode == 0, result.stdout + result.stderr
    return ours, deployments(server)


def test_the_weekly_example_is_scheduled(server, registered):
    def scheduled() -> list[dict[str, Any]]:
        return [run for run in asked(server, "flow_runs") if run["auto_scheduled"]]

    eventually(scheduled, "Prefect's scheduler makes runs")
    runs = scheduled()
    first = datetime.fromisoformat(min(run["expected_start_time"] for run in runs))
    assert (first.strftime("%A"), first.hour) == ("Sunday", 3)
    assert runs[0]["parameters"]["config"]["base_from"] == "base-0123456789ab"
    with client_of(server) as client:
        client.delete_deployment(registered[1]["weekly"]["id"])


@pytest.fixture
def chat() -> Iterator[tuple[str, queue.Queue[str]]]:
    """The address of a webhook, and what is sent to it."""
    said: queue.Queue[str] = queue.Queue()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said.put(json.loads(self.rfile.read(int(self.headers["content-length"])))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    with HTTPServer(("127.0.0.1", 0), Hook) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listener.server_port}/", said
        listener.shutdown()


def test_the_notifications_of_the_example_arrive(server, chat, tmp_path):
    address, said = chat
    with temporary_settings({PREFECT_API_URL: server["PREFECT_API_URL"]}):
        block = Webhook(url=address).save("terrabalance")
        example = (ROOT / "docs" / "examples" / "notify.yaml").read_text()
        (tmp_path / "notify.yaml").write_text(example.replace("WEBHOOK", str(block)))
        prefect(server, "automation", "create", "--from-file", str(tmp_path / "notify.yaml"))
        with get_client(sync_client=True) as client:
            run = client.create_flow_run(compare_classifiers, name="compare me", tags=[TAG])
            client.set_flow_run_state(run.id, Completed(), force=True)
        assert said.get(timeout=PATIENCE_S).startswith("Done: compare me http")
        with get_client(sync_client=True) as client:
            run = client.create_flow_run(compare_classifiers, name="break me", tags=[TAG])
            client.set_flow_run_state(run.id, Crashed(), force=True)
        assert said.get(timeout=PATIENCE_S).startswith("Crashed: break me http")
        task_run = {"prefect.resource.id": "prefect.task-run.1"}
        name = {"prefect.resource.name": "train Pond"}
        emit_event("prefect.task-run.Failed", resource={**task_run, **name})
        assert said.get(timeout=PATIENCE_S) == "Failed: train Pond"


def test_prefect_deploy_registers_the_same_from_a_checkout(server, registered, elsewhere):
    ours, theirs = registered
    assert sorted([*ours, "weekly"]) == sorted(theirs)
    for name, record in ours.items():
        for field in ("description", "tags", "work_pool_name", "parameter_openapi_schema"):
            assert record[field] == theirs[name][field], (name, field)
        assert record["job_variables"]["env"] == theirs[name]["job_variables"]["env"]
    deploy(server, elsewhere)
    for name, record in deployments(server).items():
        for field in ("entrypoint", "pull_steps", "path"):
            assert record[field] == ours[name][field], (name, field)


@pytest.mark.parametrize("address", ["s3://bucket/balance", "GS://bucket", "file:///mnt/balance"])
def test_an_address_is_not_registered_as_a_folder(address):
    with pytest.raises(BadInput, match=f'{address}.*"workdir" in the parameters of the run'):
        CliRunner().invoke(app, ["deploy", "--workdir", address], catch_exceptions=False)


@pytest.mark.parametrize("name", ["", " ", "a/b", "x%y"])
def test_a_name_that_no_work_pool_can_have_is_refused(name, server, tmp_path):
    with (
        temporary_settings({PREFECT_API_URL: server["PREFECT_API_URL"]}),
        pytest.raises(BadInput, match=f"^{name!r}: no work pool can be called so"),
    ):
        register("terrabalance", name, tmp_path)


def test_what_the_server_says_of_a_reserved_name_is_told(server, tmp_path):
    with (
        temporary_settings({PREFECT_API_URL: server["PREFECT_API_URL"]}),
        pytest.raises(ServerUnreachable, match="403: Work pools starting with 'Prefect' are rese"),
    ):
        register("prefect-of-ours", "terrabalance-gpu", tmp_path)


def test_a_server_that_does_not_answer_is_named(tmp_path):
    lost, said = {PREFECT_API_URL: "http://127.0.0.1:9/api"}, r":9/api.*prefect server start"
    with temporary_settings(lost), pytest.raises(ServerUnreachable, match=said):
        register("terrabalance", "terrabalance-gpu", tmp_path)


@pytest.mark.parametrize("nothing", [None, ""])
def test_without_the_address_of_a_server_none_is_started_in_secret(nothing, tmp_path):
    with (
        temporary_settings({PREFECT_API_URL: nothing}),
        pytest.raises(BadInput, match="names none"),
    ):
        register("terrabalance", "terrabalance-gpu", tmp_path)


def test_telemetry_is_off_by_default(environment):
    code = (
        "from prefect.settings import get_current_settings as settings; "
        "print(settings().server.analytics_enabled)"
    )
    plain = {k: v for k, v in environment.items() if k != "PREFECT_SERVER_ANALYTICS_ENABLED"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, cwd=ROOT, env=plain, check=True,
    )  # fmt: skip
    assert result.stdout.strip() == "False"
