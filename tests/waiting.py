"""Waiting for other processes."""

import subprocess
import time
from collections.abc import Callable


def eventually(holds: Callable[[], object], timeout_s: float, what: str) -> None:
    """Return once something holds; fail where it does not come to that in time."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.2)


def alive_in_group(group: int) -> list[str]:
    """Return the processes of a group, without those that are dead and not yet buried."""
    listed = subprocess.run(
        ["ps", "-eww", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()]
    return [args for pgid, stat, args in rows if pgid == str(group) and stat[0] != "Z"]
