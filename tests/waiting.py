"""Waiting for other processes."""

import time
from collections.abc import Callable


def eventually(holds: Callable[[], object], timeout_s: float, what: str) -> None:
    """Return once something holds; fail where it does not come to that in time."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.2)
