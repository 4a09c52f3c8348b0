"""Run terrabalance's commands by the code of another checkout, for benchmarks of two builds."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ended:
    """A process that has ended.

    Attributes:
        code: its exit code.
        cpu_s: processor seconds, with those of children that were waited for.
        peak_mb: megabytes of the largest process.
    """

    code: int
    cpu_s: float
    peak_mb: float


def run_in(checkout: Path, words: Sequence[str]) -> Ended:
    """Give a command of terrabalance by the code of a checkout, in this environment."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flows", *words],
        cwd=checkout, env={**os.environ, "PYTHONPATH": str(checkout)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, usage = os.wait4(process.pid, 0)
    return Ended(
        os.waitstatus_to_exitcode(status),
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
    )
