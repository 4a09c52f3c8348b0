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


def alive_of(command: int) -> list[str]:
    """Return the processes of a command that leads a group, without dead ones not yet buried.

    Its Prefect server is in a session of its own, and has the command's number as its last word.
    """
    listed = subprocess.run(
        ["ps", "-eww", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()]
    ours = [
        (stat, args)
        for pgid, stat, args in rows
        if pgid == str(command) or ("server_process.py" in args and args.endswith(f" {command}"))
    ]
    return [args for stat, args in ours if stat[0] != "Z"]
