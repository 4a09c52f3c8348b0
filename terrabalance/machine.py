"""What this machine gives to a process: cores, memory, and the GPUs that its driver knows.

Asks the system alone, so that it also works where torch does not.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")
_SMI_S = 10.0  # the first call after a start of the machine loads the driver


@dataclass(frozen=True)
class Memory:
    """Main memory in bytes."""

    free: int  # which this process may still take
    limit: int | None  # of its control group (a container, a batch job); None: the whole machine


def usable_cores() -> int:
    """Return the number of cores that this process may run on, by its affinity."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def core_quota(proc: Path = _PROC, groups: Path = _GROUPS) -> float | None:
    """Return how many cores' time the control groups of this process allow; None: no limit.

    Args:
        proc: where the system tells of processes.
        groups: where control groups are mounted.
    """
    quotas = []
    for folder in _groups_of("cpu", proc, groups):
        words = _text(folder / "cpu.max").split()  # version 2: quota and period
        if not words:
            names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            words = " ".join(_text(folder / name) for name in names).split()
        if len(words) == 2 and words[0].isdigit():  # else "max", or -1: none
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def memory(proc: Path = _PROC, groups: Path = _GROUPS) -> Memory | None:
    """Return the memory that is free for this process; None where the system does not tell.

    Args:
        proc: where the system tells of processes.
        groups: where control groups are mounted.
    """
    told = dict(line.split(":", 1) for line in _text(proc / "meminfo").splitlines() if ":" in line)
    if not {"MemAvailable", "MemTotal"} <= told.keys():
        return None
    total, free = (int(told[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    limits = []
    for folder in _groups_of("memory", proc, groups):
        limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
        if limit is None or limit >= total:  # version 1 says a huge number for none
            continue
        limits.append(limit)
        free = min(free, max(0, limit - _taken(folder)))
    return Memory(free, min(limits, default=None))


def gpus_of_driver() -> list[str]:
    """Return the NVIDIA GPUs of this machine, whether or not torch can use them.

    Each as its model and the driver's version where nvidia-smi tells, else as its device file.
    """
    if command := shutil.which("nvidia-smi"):
        words = [command, "--query-gpu=name,driver_version", "--format=csv,noheader"]
        with suppress(OSError, subprocess.SubprocessError):
            told = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=_SMI_S, check=True,
            )  # fmt: skip
            if names := [line.strip() for line in told.stdout.splitlines() if line.strip()]:
                return [name.replace(", ", ", driver ") for name in names]
    return [str(path) for path in sorted(Path("/dev").glob("nvidia[0-9]*"))]


def _groups_of(controller: str, proc: Path, groups: Path) -> Iterator[Path]:
    """Yield the folders of the control groups of this process and of those above them.

    A container may see its own group as the topmost one, under another name than the system's.
    """
    for line in _text(proc / "self" / "cgroup").splitlines():
        _, names, inside = line.split(":", 2)
        if names and controller not in names.split(","):  # of version 2 there are none
            continue
        top = groups / names
        folder = top / inside.lstrip("/")
        yield folder
        while folder != top:
            folder = folder.parent
            yield folder


def _taken(group: Path) -> int:
    """Return the bytes that a control group holds, less the cached files that it would give up."""
    used = _number(group / "memory.current") or _number(group / "memory.usage_in_bytes") or 0
    stat = dict(line.split(" ", 1) for line in _text(group / "memory.stat").splitlines())
    cached = stat.get("total_inactive_file") or stat.get("inactive_file") or "0"
    return max(0, used - int(cached))


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _text(path: Path) -> str:
    """Return the text of a file of the system; "" where it is not there or not told."""
    try:
        return path.read_text()
    except OSError:
        return ""
