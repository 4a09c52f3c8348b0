"""What the documentation tells people to do with Prefect, done for real on loopback."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_server import ROOT, call, environment_of, prefect, running, served

from flows.deploy import CRASH_AUTOMATION, ENTRIES
from flows.deploy import deploy as register
from terrabalance.errors import BadInput

WHOLE = "balance-dataset/balance-dataset"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """A folder that is no checkout, as on a worker's machine."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    return environment_of(tmp_path_factory.mktemp("prefect"))


@pytest.fixture(scope="module")
def server(environment, elsewhere) -> Iterator[dict[str, str]]:
    """A server on which the flows have been registered twice."""
    with served(environment, elsewhere / "server.log"):
        result = call(environment, "flows", "deploy", cwd=elsewhere)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "prefect worker start --pool terrabalance-gpu" in result.stdout
        deploy(environment, elsewhere)
        yield environment


def deploy(environment: dict[str, str], folder: Path) -> None:
    with temporary_settings({PREFECT_API_URL: environment["PREFECT_API_URL"]}):
        register("terrabalance", "terrabalance-gpu", folder)


def asked(environment: dict[str, str], kind: str) -> list[dict[str, Any]]:
    """All that the server has of a kind."""
    answer = httpx.post(f"{environment['PREFECT_API_URL']}/{kind}/filter", json={}, timeout=30)
    return answer.raise_for_status().json()


def deployments(environment: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {record["name"]: record for record in asked(environment, "deployments")}


def test_a_worker_without_a_checkout_runs_a_deployment_to_its_report(
    server, elsewhere, scenes, tiny
):
    config = {**tiny, "data": str(scenes), "name": "deployed"}
    with running(
        server, elsewhere / "worker.log", "worker", "start", "--pool", "terrabalance", cwd=elsewhere
    ):
        text = prefect(
            server, "deployment", "run", WHOLE, "--param", f"config={json.dumps(config)}", "--watch"
        )
    assert "Completed" in text
    assert (elsewhere / "reports" / "deployed" / "index.html").is_file()


def test_deploying_twice_makes_one_of_each(server):
    assert sorted(deployments(server)) == sorted(entry.flow.name for entry in ENTRIES)
    assert [a["name"] for a in asked(server, "automations")] == [CRASH_AUTOMATION]
    pools = asked(server, "work_pools")
    assert sorted(p["name"] for p in pools) == ["terrabalance", "terrabalance-gpu"]
    assert {p["type"] for p in pools} == {"process"}


def test_deploying_again_keeps_the_schedules(server, elsewhere):
    schedule = ["deployment", "schedule", "create", WHOLE, "--cron", "0 3 * * 0"]
    prefect(server, *schedule, "--timezone", "UTC")
    deploy(server, elsewhere)
    kept = deployments(server)["balance-dataset"]["schedules"]
    assert [one["schedule"]["cron"] for one in kept] == ["0 3 * * 0"]
    prefect(server, "deployment", "schedule", "clear", WHOLE, "--accept-yes")


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
    config = json.dumps({"data": str(tmp_path), **settings})
    result = call(
        server, "prefect", "--no-prompt", "deployment", "run", WHOLE, "--param", f"config={config}"
    )
    assert result.returncode != 0
    assert named in result.stdout + result.stderr


def test_prefect_deploy_registers_the_same_from_a_checkout(server, elsewhere):
    ours = deployments(server)
    prefect(server, "deploy", "--all")
    theirs = deployments(server)
    assert sorted(ours) == sorted(theirs)
    for name, record in ours.items():
        for field in ("description", "tags", "work_pool_name", "parameter_openapi_schema"):
            assert record[field] == theirs[name][field], (name, field)
        assert record["job_variables"]["env"] == theirs[name]["job_variables"]["env"]
    deploy(server, elsewhere)
    for name, record in deployments(server).items():
        for field in ("entrypoint", "pull_steps", "path"):
            assert record[field] == ours[name][field], (name, field)


def test_no_server_is_one_line_and_exit_code_2(environment, tmp_path):
    lost = {**environment, "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    result = call(lost, "flows", "deploy", cwd=tmp_path)
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert "PREFECT_API_URL" in result.stderr and "prefect server start" in result.stderr


def test_without_the_address_of_a_server_none_is_started_in_secret(tmp_path):
    with temporary_settings({PREFECT_API_URL: None}), pytest.raises(BadInput, match="no server"):
        register("terrabalance", "terrabalance-gpu", tmp_path)


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
