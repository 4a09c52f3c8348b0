"""Where the progress of a stage goes: the bars of the command line, or Prefect's log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from terrabalance.progress import Progress, silent

Watcher = Callable[[str], Progress]
_watcher: Watcher | None = None
_QUIET_S = 5.0


def unwatched(_label: str) -> Progress:
    """Watch nothing."""
    return silent


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Send the progress of stages in this process to `watcher(label)` inside the block."""
    global _watcher
    before, _watcher = _watcher, watcher
    try:
        yield
    finally:
        _watcher = before


def current_watcher() -> Watcher | None:
    """Return the watcher of this process; None where there is none."""
    return _watcher


def throttled(report: Progress, every_s: float = _QUIET_S) -> Progress:
    """Forward the first report, the last, and in between at most one every `every_s` seconds."""
    last = -every_s

    def maybe(done: int, total: int, message: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        if done >= total or now - last >= every_s:
            last = now
            report(done, total, message)

    return maybe
