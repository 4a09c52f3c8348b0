"""Waiting for other processes: always for a condition, never for a time."""

import time
from collections.abc import Callable

# No test is about how long something lasts. This end is there for what hangs for ever; it is out of
# reach of a machine whose cores are taken by other work.
PATIENCE_S = 1800.0


def eventually(holds: Callable[[], object], what: str, every_s: float = 0.2) -> None:
    """Return once something holds; fail where it never does."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:.0f} s: {what}"
        time.sleep(every_s)
