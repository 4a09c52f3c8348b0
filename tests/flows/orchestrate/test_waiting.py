"""What holds up runs on a server, as Prefect's own commands say it, and what ends that."""

from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect_server import environment_of, forget_server, prefect, served

from flows.orchestrate.deploy import deploy
from flows.orchestrate.embedded import reported_to
from flows.orchestrate.runners.waiting import advice_on

_DEPLOYMENT = "fill-class/fill-class"


@pytest.fixture(scope="module")
def by_hand(prefect_home, tmp_path_factory):
    """A server with the deployments, in a queue of the pool `few`; runs a command of Prefect's."""
    folder: Path = tmp_path_factory.mktemp("waiting")
    environment = environment_of(prefect_home())
    with served(environment, folder / "log"), reported_to(environment["PREFECT_API_URL"]):
        deploy("terrabalance", "few", folder)
        yield lambda *words: prefect(environment, *words)
        forget_server()


def told() -> list[str]:
    with get_client(sync_client=True) as client:
        return advice_on(client, (), [_DEPLOYMENT, "train-base/train-base"])


def ended(by_hand: Callable[..., object], advice: str) -> list[str]:
    """Do what is advised; return what is told then."""
    by_hand(*advice[advice.index("prefect ") :].split()[1:])
    return told()


def test_a_paused_queue_of_the_pool_is_told_once_with_what_resumes_it(by_hand):
    by_hand("work-queue", "pause", "default", "--pool", "few")
    (advice,) = told()
    assert advice.startswith("the work queue default of few is paused")
    assert ended(by_hand, advice) == []


def test_a_queue_with_a_limit_of_none_is_told(by_hand):
    by_hand("work-queue", "set-concurrency-limit", "default", "0", "--pool", "few")
    (advice,) = told()
    assert "the work queue default of few has a concurrency limit of 0" in advice
    assert ended(by_hand, advice) == []


def test_a_deployment_with_a_limit_of_none_is_told_and_one_with_a_limit_is_not(by_hand):
    with get_client(sync_client=True) as client:
        known = client.read_deployment_by_name(_DEPLOYMENT)
        client.update_deployment(known.id, DeploymentUpdate(concurrency_limit=1))
        limit = client.read_deployment_by_name(_DEPLOYMENT).global_concurrency_limit
    assert told() == []
    by_hand("gcl", "update", limit.name, "--limit", "0")
    (advice,) = told()
    assert advice.startswith(f"the deployment {_DEPLOYMENT} has a concurrency limit of 0")
    assert ended(by_hand, advice) == []
