"""Deploying over deployments into which people have written what they like."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import get_client
from waiting import PATIENCE_S

from flows.orchestrate.deploy import ENTRIES, deploy
from terrabalance.errors import BadInput


@pytest.fixture(scope="module", autouse=True)
def deployed(server) -> Iterator[None]:
    """A server, which other files of tests use too, with the deployments in this one."""
    deploy("cpu", "gpu", Path("work"))
    yield
    with get_client(sync_client=True) as client:
        for entry in ENTRIES:
            client.delete_deployment(client.read_deployment_by_name(entry.name).id)


def job_of(flow: str) -> dict[str, Any]:
    """Return the job variables of a deployment."""
    with get_client(sync_client=True) as client:
        return client.read_deployment_by_name(f"{flow}/{flow}").job_variables


def set_env(server_address: str, flow: str, env: Any) -> None:
    """Write a user's job variables into a deployment."""
    with get_client(sync_client=True) as client:
        known = client.read_deployment_by_name(f"{flow}/{flow}").id
    body = {"job_variables": {"image": "mine", "env": env}}
    answer = httpx.patch(f"{server_address}/deployments/{known}", json=body, timeout=PATIENCE_S)
    answer.raise_for_status()


def test_a_deployment_with_no_environment_is_brought_up_to_date(server_address):
    set_env(server_address, "fill-class", None)
    deploy("cpu", "gpu", Path("work"))
    known = job_of("fill-class")
    assert known["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    assert known["image"] == "mine"


def test_a_broken_deployment_keeps_no_other_from_being_updated(server_address):
    set_env(server_address, "balance-dataset", ["A=1"])
    set_env(server_address, "compare-classifiers", {"MINE": "1"})
    with pytest.raises(BadInput, match=r"not updated: balance-dataset/.*env is \['A=1'\]"):
        deploy("cpu", "gpu", Path("work"))
    assert job_of("balance-dataset") == {"image": "mine", "env": ["A=1"]}
    env = job_of("compare-classifiers")["env"]
    assert env["MINE"] == "1" and env["DO_NOT_TRACK"] == "1"
