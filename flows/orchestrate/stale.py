"""Runs of this machine whose process is gone: found at the next start, and marked as crashed.

Every `terrabalance run` holds a lock file below Prefect's home, and tags its flow runs with the
file's name. The kernel frees the lock when the process ends, however it ends, and whatever the
clock or the numbers of processes do. A file whose lock is free therefore names flow runs that
nobody works on any more.
"""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
from filelock import FileLock, Timeout
from prefect import tags
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import StateType
from prefect.settings import get_current_settings
from prefect.states import Crashed

from flows.orchestrate.automations import TAG
from terrabalance.files import fingerprint
from terrabalance.terminal import Terminal

_log = logging.getLogger(__name__)
_UNFINISHED = [StateType.RUNNING, StateType.PENDING, StateType.SCHEDULED, StateType.CANCELLING]
_GONE = "Its process is gone. Run again to go on where it was."


@contextmanager
def tagged(server: str) -> Iterator[None]:
    """Tag the flow runs of the block as this process's; first mark those of processes that died.

    Where Prefect's home takes no file, the block goes on without.

    Args:
        server: what names it, as `some_server` yields it.
    """
    try:
        folder = get_current_settings().home / "terrabalance"
        folder.mkdir(parents=True, exist_ok=True)
        # It names this machine and the server: only what both know is ever touched.
        prefix = f"process-{fingerprint(socket.gethostname(), server, length=8)}-"
        _mark_stale(folder, prefix)
        own = folder / f"{prefix}{uuid4().hex[:12]}.lock"
        lock = FileLock(own)
        lock.acquire(blocking=False)
    except (OSError, NotImplementedError) as error:  # some network folders have no locks
        _log.warning("runs of this machine that died cannot be told from others (%s)", error)
        with tags(TAG):
            yield
        return
    try:
        with tags(TAG, own.stem):
            yield
        own.unlink(missing_ok=True)  # else the next start sees whether the server knows of the end
    finally:
        lock.release()


def _mark_stale(folder: Path, prefix: str) -> None:
    for path in sorted(folder.glob(f"{prefix}*.lock")):
        lock = FileLock(path)
        try:
            lock.acquire(blocking=False)
        except Timeout:  # it lives
            continue
        try:
            with get_client(sync_client=True) as client:
                _mark(client, path.stem)
            path.unlink(missing_ok=True)
        except httpx.HTTPError as error:  # the next start tries again
            _log.warning("%s: not marked as crashed (%s)", path.stem, error)
        finally:
            lock.release()


def _mark(client: SyncPrefectClient, tag: str) -> None:
    """Mark the unfinished flow runs of a process; those that workers do live elsewhere."""
    unfinished = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[TAG, tag]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED)),
    )
    for run in client.read_flow_runs(flow_run_filter=unfinished):
        if run.deployment_id is None:
            client.set_flow_run_state(run.id, Crashed(message=_GONE), force=True)
            Terminal(stderr=True).print(
                f"{run.name}: marked as crashed, its process is gone", markup=False, soft_wrap=True
            )
