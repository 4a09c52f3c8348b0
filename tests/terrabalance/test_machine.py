"""What the system tells of cores, memory and GPUs, in the words of Linux."""

import os
import sys
from pathlib import Path

import pytest

from terrabalance.files import write_text
from terrabalance.machine import Memory, core_quota, gpus_of_driver, memory, usable_cores

GIB = 2**30


def write_all(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        write_text(folder / name, text)
    return folder


@pytest.fixture
def proc(tmp_path) -> Path:
    """A machine of 64 GiB, 40 of them free, with a process in a group of version 2."""
    told = f"MemTotal: {64 * 2**20} kB\nMemFree: 1 kB\nMemAvailable: {40 * 2**20} kB\n"
    return write_all(tmp_path / "proc", {"meminfo": told, "self/cgroup": "0::/job/step\n"})


def test_the_nearest_limit_of_a_group_and_of_those_above_it_counts(proc, tmp_path):
    groups = write_all(tmp_path / "groups", {
        "job/memory.max": f"{8 * GIB}\n", "job/memory.current": f"{7 * GIB}\n",
        "job/memory.stat": f"anon 1\ninactive_file {2 * GIB}\n",
        "job/step/memory.max": "max\n", "job/step/memory.current": f"{6 * GIB}\n",
        "job/cpu.max": "250000 100000\n", "job/step/cpu.max": "max 100000\n",
    })  # fmt: skip
    # What is cached of files would be given up.
    assert memory(proc, groups) == Memory(free=3 * GIB, limit=8 * GIB)
    assert core_quota(proc, groups) == 2.5


def test_a_container_sees_its_own_group_as_the_topmost(proc, tmp_path):
    groups = write_all(
        tmp_path / "groups", {"memory.max": f"{4 * GIB}", "memory.current": f"{5 * GIB}"}
    )
    assert memory(proc, groups) == Memory(free=0, limit=4 * GIB)


def test_groups_of_version_1_are_read(proc, tmp_path):
    write_all(proc, {"self/cgroup": "4:memory:/job\n3:cpu,cpuacct:/job\n1:name=systemd:/\n0::/\n"})
    groups = write_all(tmp_path / "groups", {
        "memory/memory.limit_in_bytes": "9223372036854771712",
        "memory/job/memory.limit_in_bytes": f"{16 * GIB}",
        "memory/job/memory.usage_in_bytes": f"{6 * GIB}",
        "memory/job/memory.stat": f"inactive_file 1\ntotal_inactive_file {GIB}\n",
        "cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000",
        "cpu,cpuacct/job/cpu.cfs_quota_us": "50000",
        "cpu,cpuacct/job/cpu.cfs_period_us": "100000",
    })  # fmt: skip
    assert memory(proc, groups) == Memory(free=11 * GIB, limit=16 * GIB)
    assert core_quota(proc, groups) == 0.5


def test_without_a_limit_the_machines_memory_is_free(proc, tmp_path):
    assert memory(proc, tmp_path / "none") == Memory(free=40 * GIB, limit=None)
    assert core_quota(proc, tmp_path / "none") is None


def test_a_system_that_does_not_tell_is_no_error(tmp_path):
    assert memory(tmp_path, tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_this_machine_tells_its_memory():
    found = memory()
    assert found is not None and found.free > 0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_a_process_that_is_held_to_a_core_has_one():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_the_driver_names_its_gpus(tmp_path, monkeypatch):
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\necho 'NVIDIA A10, 580.65.06'\necho 'NVIDIA A10, 580.65.06'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert gpus_of_driver() == ["NVIDIA A10, driver 580.65.06"] * 2
    command.write_text("#!/bin/sh\necho 'Driver/library version mismatch'; exit 18\n")
    devices = sorted(str(path) for path in Path("/dev").glob("nvidia[0-9]*"))
    assert gpus_of_driver() == devices
