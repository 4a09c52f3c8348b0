"""What Prefect shows of a run while it goes and after: progress, tables, pages."""

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar, cast
from uuid import UUID

import httpx
import numpy as np
from prefect import get_run_logger
from prefect.artifacts import (
    create_image_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows.stages.progress import current_watcher, throttled
from terrabalance.files import fingerprint
from terrabalance.markdown import escape_markdown, markdown_table
from terrabalance.page import data_uri
from terrabalance.progress import Progress

_log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")
_LEAVE_ALONE_S = 60.0
_RETRIES = 5  # a minute; a command waits longer for what is no news, see `flows.orchestrate.busy`
_quiet_until = 0.0  # of this process, by time.monotonic


def listen(label: str) -> Progress:
    """Return what takes the progress of `label`: a bar of the command line, or Prefect's log.

    A server that is away costs its progress bar and not the work.
    """
    watcher = current_watcher()
    if watcher is not None:
        return watcher(label)
    logger, bar = get_run_logger(), _Bar(label)

    def report(done: int, total: int, message: str = "") -> None:
        bar.show(100 * done / max(total, 1))
        logger.info("%s: %d of %d %s", label, done, total, message)

    return throttled(report)


class _Bar:
    """A progress artifact."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._id: UUID | None = None

    def show(self, percent: float) -> None:
        if self._id is None:
            made = _publish(
                create_progress_artifact, percent, description=escape_markdown(self._label)
            )
            # Called without an event loop, Prefect gives the id itself and not a coroutine.
            self._id = cast(UUID | None, made)
        else:
            _publish(update_progress_artifact, self._id, progress=percent)


def _publish(publish: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
    """Publish; a server that is away costs the artifact, which is news, and not the work.

    Prefect takes a minute to find it away. So nothing is sent for another minute.
    """
    global _quiet_until
    if time.monotonic() < _quiet_until:
        return None
    retries = min(PREFECT_CLIENT_MAX_RETRIES.value(), _RETRIES)
    try:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: retries}):
            return publish(*args, **kwargs)
    except (httpx.HTTPError, OSError) as error:
        _quiet_until = time.monotonic() + _LEAVE_ALONE_S
        _log.warning(
            "the Prefect server takes no artifact (%s); it gets none for %.0f s",
            error, _LEAVE_ALONE_S,
        )  # fmt: skip
        return None


def publish_table(key: str, rows: Sequence[Mapping[str, Any]], description: str) -> None:
    """Publish rows as a table, unless the server is away."""
    table = [dict(row) for row in rows]
    _publish(create_table_artifact, key=key, table=table, description=description)


def publish_page(key: str, markdown: str) -> None:
    """Publish a page, unless the server is away."""
    _publish(create_markdown_artifact, key=key, markdown=markdown)


def publish_class(facts: Mapping[str, Any], pictures: np.ndarray | None) -> None:
    """Publish a class's facts as a table and a sample of its images as a picture.

    A server that is away gets neither.

    Args:
        facts: of `flows.stages.account.class_facts`.
        pictures: (3, H, W) uint8; None without images.
    """
    name = str(facts["class"])
    key = _key(name)
    rows = [[label, _plain(value)] for label, value in facts.items() if value is not None]
    table = markdown_table(["", name], rows[1:])
    known_as = escape_markdown(name)
    _publish(create_markdown_artifact, key=f"class-{key}", markdown=table, description=known_as)
    if pictures is not None:
        drawn = f"{known_as}: drawn"
        _publish(create_image_artifact, data_uri(pictures), key=f"images-{key}", description=drawn)


def _key(name: str) -> str:
    """Return a class's name as Prefect wants keys: lower case; two may differ in case alone."""
    plain = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:48]
    return f"{plain or 'class'}-{fingerprint(name, length=4)}"


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
