"""Do jobs as deployment runs, which any number of Prefect workers take from their work pools."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar, cast
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed, Pending

from flows.orchestrate.artifacts import listen
from flows.orchestrate.busy import is_busy
from flows.orchestrate.job import Job
from flows.orchestrate.job_states import ATTEMPTS, plainly
from flows.orchestrate.runners.waiting import advice_on, in_words
from flows.orchestrate.server import need_named_server
from flows.settings.config import RunConfig
from terrabalance.errors import BadInput

_log = logging.getLogger(__name__)
R = TypeVar("R")
_LOOK_EVERY_S = 2.0
_PAGE = 200  # runs in an answer of the server, at most
_PATIENCE_S = 600.0  # with a server that is away
_ELSEWHERE = (
    "its worker finished it in a folder that is not seen here. Give a --workdir that all machines "
    "share, or an address"
)


@dataclass
class _Order:
    """A job that some worker does, or will do."""

    job: Job
    run_id: UUID
    number: int  # of the run, counted from the first that was ever begun for this result
    pool: str | None  # whose workers may do it
    attempts: int = 1  # of this process's


def run(_config: RunConfig, jobs: Sequence[Job], what: str) -> dict[str, str]:
    """Have every job done by workers; return label -> reason of those that failed.

    A run is known by what it makes: if this process is killed and started again, it takes up the
    runs that it had begun and does not begin them twice. A run that crashed (its worker died; the
    server knows by the missing heartbeat, see `flows.orchestrate.deploy`) is begun again.

    Raises:
        BadInput: no server is named, or it does not know the deployments.
    """
    need_named_server("execution.runner=workers")
    report, failed = listen(what), dict[str, str]()
    left = [_begin(job, 0) for job in jobs]
    pools = {order.pool for order in left if order.pool}
    with get_client(sync_client=True) as client:
        look = partial(advice_on, client, pools, {job.deployment for job in jobs})
        advice = _patiently(look)
        report(0, len(jobs), in_words(pools, advice))
        while left:
            states = _patiently(partial(_states, client, [order.run_id for order in left]))
            still = [_followed(order, states.get(order.run_id), failed) for order in left]
            n_before, left = len(left), [order for order in still if order is not None]
            if len(left) < n_before:
                report(len(jobs) - len(left), len(jobs))
            if left and (now := _patiently(look)) != advice:
                advice, told = now, in_words(pools, now)
                # A report that follows another at once may be passed over.
                _log.log(logging.WARNING if advice else logging.INFO, "%s", told)
                report(len(jobs) - len(left), len(jobs), told)
            time.sleep(_LOOK_EVERY_S * -(-len(left) // _PAGE))  # one page in that time
    return failed


def _followed(order: _Order, state: State | None, failed: dict[str, str]) -> _Order | None:
    """Return what is still to be waited for; None where the job has ended.

    Args:
        order: whose run is looked at.
        state: of the run; None: the server has none.
        failed: gets the reason of a job that failed.
    """
    job, state = order.job, state or Crashed(message="the server forgot it")
    if not state.is_final():
        return order
    if state.is_crashed() and order.attempts < ATTEMPTS:
        _log.warning("%s: %s; begun again", job.label, state.message)
        return replace(_begin(job, order.number + 1), attempts=order.attempts + 1)
    if not state.is_completed():
        failed[job.label] = plainly(state)
    elif not job.is_done():
        failed[job.label] = _ELSEWHERE
    return None


def _begin(job: Job, number: int) -> _Order:
    """Begin a run, or take up one that is under way; pass by those that ended without a result."""
    while True:
        run = _patiently(partial(_deployment_run, job, number))
        state = run.state or Pending()
        if not state.is_final() or (state.is_completed() and job.is_done()):
            return _Order(job, run.id, number, run.work_pool_name)
        number += 1


def _deployment_run(job: Job, number: int) -> FlowRun:
    try:
        # Called without an event loop, Prefect gives the run itself and not a coroutine.
        run = run_deployment(
            job.deployment,
            parameters=job.parameters,
            idempotency_key=f"{job.key}-{number}",
            timeout=0,
        )
        return cast(FlowRun, run)
    except ObjectNotFound as error:
        raise BadInput(
            f"the Prefect server has no deployment {job.deployment!r}. Run `terrabalance deploy`."
        ) from error


def _states(client: SyncPrefectClient, ids: Sequence[UUID]) -> dict[UUID, State]:
    found = {}
    for first in range(0, len(ids), _PAGE):
        page = FlowRunFilter(id=FlowRunFilterId(any_=list(ids[first : first + _PAGE])))
        for run in client.read_flow_runs(flow_run_filter=page, limit=_PAGE):
            found[run.id] = run.state or Pending()
    return found


def _patiently(ask: Callable[[], R]) -> R:
    """Ask the server again and again while it is away or busy: it may be starting anew."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return ask()
        except (httpx.TransportError, httpx.HTTPStatusError) as error:
            refused = isinstance(error, httpx.HTTPStatusError) and not is_busy(error.response)
            if refused or time.monotonic() > deadline:
                raise
            _log.warning("the Prefect server does not answer; asking again")
            time.sleep(_LOOK_EVERY_S)
