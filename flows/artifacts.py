"""What Prefect shows of a run while it goes and after: progress, tables, pages."""

import logging
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

import httpx
import numpy as np
from prefect import get_run_logger
from prefect.artifacts import (
    create_image_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)

from flows.watch import current_watcher, throttled
from terrabalance.files import fingerprint
from terrabalance.markdown import escape_markdown, markdown_table
from terrabalance.page import data_uri
from terrabalance.progress import Progress

_log = logging.getLogger(__name__)
_LEAVE_ALONE_S = 60.0  # a server that does not answer: asking takes longer than a training step


def listen(label: str) -> Progress:
    """Return who is told of the progress of what `label` names: the command line, or Prefect.

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
        self._again = 0.0

    def show(self, percent: float) -> None:
        if time.monotonic() < self._again:
            return
        try:
            if self._id is None:
                # Called without an event loop, Prefect gives the id itself and not a coroutine.
                description = escape_markdown(self._label)
                self._id = cast(UUID, create_progress_artifact(percent, description=description))
            else:
                update_progress_artifact(self._id, progress=percent)
        except (httpx.HTTPError, OSError):
            self._again = time.monotonic() + _LEAVE_ALONE_S


@contextmanager
def told() -> Iterator[None]:
    """Publish inside the block; a server that is away costs the artifact and not the work."""
    try:
        yield
    except (httpx.HTTPError, OSError) as error:
        _log.warning("the Prefect server does not take an artifact: %s", error)


def publish_class(facts: Mapping[str, Any], pictures: np.ndarray | None) -> None:
    """Publish a class's facts as a table and a sample of its images as a picture.

    Args:
        facts: of `flows.account.class_facts`.
        pictures: (3, H, W) uint8; None without images.
    """
    name = str(facts["class"])
    key = _key(name)
    rows = [[label, _plain(value)] for label, value in facts.items() if value is not None]
    table = markdown_table(["", name], rows[1:])
    create_markdown_artifact(key=f"class-{key}", markdown=table, description=escape_markdown(name))
    if pictures is not None:
        create_image_artifact(
            data_uri(pictures), key=f"images-{key}", description=f"{escape_markdown(name)}: drawn"
        )


def _key(name: str) -> str:
    """Return a class's name as Prefect wants keys: lower case; two may differ in case alone."""
    plain = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:48]
    return f"{plain or 'class'}-{fingerprint(name, length=4)}"


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
