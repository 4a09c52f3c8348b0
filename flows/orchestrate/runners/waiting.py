"""What holds up a run that waits for workers, by what the server knows, and what ends that."""

import shlex
from collections.abc import Collection, Iterator, Sequence

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import WorkPoolStatus
from prefect.exceptions import ObjectNotFound


def in_words(pools: Collection[str], advice: Sequence[str]) -> str:
    """Return whose workers are waited for, and what to do, in a line.

    Args:
        pools: whose workers may do the jobs.
        advice: of `advice_on`.
    """
    whose = f" of the work pool {', '.join(sorted(pools))}" if pools else ""
    return "; ".join([f"waiting for workers{whose}", *advice])


def advice_on(
    client: SyncPrefectClient, pools: Collection[str], deployments: Collection[str]
) -> list[str]:
    """Return what begins no run, and what to do about each; none where all do.

    Args:
        client: of the server.
        pools: names of work pools.
        deployments: names of those whose runs are waited for, each `flow/deployment`.
    """
    of_pools = [line for pool in sorted(pools) for line in _of_pool(client, pool)]
    held = [line for name in sorted(deployments) for line in _of_deployment(client, name)]
    return [*of_pools, *dict.fromkeys(held)]  # several may have one queue


def _of_pool(client: SyncPrefectClient, pool: str) -> Iterator[str]:
    name = shlex.quote(pool)
    try:
        known = client.read_work_pool(pool)
    except ObjectNotFound:
        yield f"{pool} was deleted: terrabalance deploy, then give this command again"
        return
    if known.is_paused:  # then its status says nothing of workers
        yield f"{pool} is paused: prefect work-pool resume {name}"
    elif known.concurrency_limit == 0:
        how = f"prefect work-pool clear-concurrency-limit {name}"
        yield f"{pool} has a concurrency limit of 0: {how}"
    elif known.status == WorkPoolStatus.NOT_READY:
        yield f"{pool} has none, start one: prefect worker start --pool {name}"


def _of_deployment(client: SyncPrefectClient, name: str) -> Iterator[str]:
    """Yield what holds up a deployment's runs: its queue in the work pool, or its own limit."""
    try:
        known = client.read_deployment_by_name(name)
        pool, queue = known.work_pool_name, known.work_queue_name
        if pool and queue:
            yield from _of_queue(client, pool, queue)
    except ObjectNotFound:  # deleted, whose runs go on; or its pool was, which is told already
        return
    limit = known.global_concurrency_limit
    if limit is not None and limit.active and limit.limit == 0:
        how = f"prefect gcl update {shlex.quote(limit.name)} --limit 1"
        yield f"the deployment {name} has a concurrency limit of 0: {how}"


def _of_queue(client: SyncPrefectClient, pool: str, queue: str) -> Iterator[str]:
    known = client.read_work_queue_by_name(queue, pool)
    where = f"{shlex.quote(queue)} --pool {shlex.quote(pool)}"
    if known.is_paused:
        yield f"the work queue {queue} of {pool} is paused: prefect work-queue resume {where}"
    elif known.concurrency_limit == 0:
        how = f"prefect work-queue clear-concurrency-limit {where}"
        yield f"the work queue {queue} of {pool} has a concurrency limit of 0: {how}"
