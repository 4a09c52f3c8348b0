"""Waiting for other processes: always for a condition, never for a time."""

import subprocess
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


def alive_in_group(group: int) -> list[str]:
    """Return the processes of a group, without those that are dead and not yet buried."""
    listed = subprocess.run(
        ["ps", "-eww", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()]
    return [args for pgid, stat, args in rows if pgid == str(group) and stat[0] != "Z"]
