"""How work spreads over Ray and Prefect workers, and what each piece of it costs to hand out.

    python benchmarks/execution.py classes ray 1 2 4      # six classes, so many Ray nodes of a core
    python benchmarks/execution.py classes workers 1 2    # so many Prefect workers, one run at once
    python benchmarks/execution.py stubs ray 1000         # so many trainings of a single step
    python benchmarks/execution.py stubs workers 60 --at-once 4

Everything runs on this machine: a Ray cluster of several local nodes, a Prefect server and workers
on loopback, one thread a process. Told are seconds by the clock; of stubs also what one takes in
a process that has nothing else to do, so that the rest is overhead. Workers take over
PREFECT_WORKER_QUERY_SECONDS from the environment. Figures: docs/scale.md.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: as many threads in every process

import numpy as np
import torch
from prefect import flow, task
from prefect_here import deploy_flows, running, server

from augment.config import TrainingConfig
from augment.network.config import GeneratorConfig
from augment.scenes import draw_dataset
from augment.train.data import TrainingData
from augment.train.spec import TrainingSpec
from augment.train.training import train_generator
from flows.orchestrate.balance import scan_and_plan
from flows.orchestrate.job import Job
from flows.orchestrate.jobs import base_jobs, class_jobs
from flows.orchestrate.perform import perform
from flows.settings.config import RunConfig
from flows.stages.run import Run
from terrabalance.finished import done

_CLASSES = ("Forest", "River", "Beach", "Residential", "Farmland", "StorageTanks")
_STEPS = 150


@flow
def six_classes(config: RunConfig) -> float:
    """Train the base, then time the filling of the classes."""
    scan_and_plan(config)
    perform(config, base_jobs(Run(config)), "the base")
    began = time.monotonic()
    failed = perform(config, class_jobs(Run(config)), "classes")
    assert not failed, failed
    return time.monotonic() - began


@task
def stub(folder: Path) -> Path:
    """Train a generator of a few thousand weights for one step."""
    images = np.random.default_rng(0).integers(0, 255, (4, 3, 16, 16)).astype(np.uint8)
    sizes = GeneratorConfig(image_size=16, dim=8, dim_mults=(1, 2), timesteps=20)
    loop = TrainingConfig(steps=1, batch_size=4, evaluations=0)
    spec = TrainingSpec("stub", sizes, loop, 0)
    return train_generator(TrainingData(images), spec, folder, [torch.device("cpu")])


@flow
def stub_run(folder: Path) -> Path:
    """Do the same as a deployment run."""
    return stub(folder)


@flow
def many_stubs(config: RunConfig, n: int) -> float:
    """Time `n` stubs."""
    works = [
        Job(
            f"stub {number}", stub, "stub-run/stub-run", {"folder": folder},
            f"{config.workdir.name}-{number}", partial(_is_done, folder),
        )
        for number in range(n)
        for folder in [config.workdir / f"stub-{number}"]
    ]  # fmt: skip
    began = time.monotonic()
    failed = perform(config, works, "stubs")
    assert not failed, failed
    return time.monotonic() - began


def _is_done(folder: Path) -> bool:
    return done(folder) is not None


@contextmanager
def _ray(nodes: int) -> Iterator[dict[str, Any]]:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(nodes):
        cluster.add_node(num_cpus=1)
    try:
        yield {"runner": "ray", "ray_address": cluster.address}
    finally:
        cluster.shutdown()


@contextmanager
def _workers(count: int, root: Path) -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        for number in range(count):
            words = ["worker", "start", "--pool", "bench", "--limit", "1"]
            stack.enter_context(running(root / f"worker-{count}-{number}.log", *words))
        yield {"runner": "workers"}


def main() -> None:
    """Time what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["classes", "stubs"])
    parser.add_argument("runner", choices=["ray", "workers"])
    parser.add_argument("numbers", type=int, nargs="+")
    parser.add_argument("--at-once", type=int, default=2, help="nodes or workers for stubs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        with server(root):
            if given.runner == "workers":
                here = Path(__file__).parent
                deploy_flows("bench", [tasks_flow("fill_class"), tasks_flow("train_base"),
                                       (stub_run, "execution.stub_run")], here)  # fmt: skip
            for number in given.numbers:
                at_once = number if given.what == "classes" else given.at_once
                _measure(given.what, given.runner, number, at_once, root)


def tasks_flow(name: str) -> tuple[Any, str]:
    """Return a flow of the project and where a worker imports it from."""
    from flows.orchestrate import balance

    return getattr(balance, name), f"flows.orchestrate.balance.{name}"


def _measure(what: str, runner: str, number: int, at_once: int, root: Path) -> None:
    place = _ray(at_once) if runner == "ray" else _workers(at_once, root)
    workdir = root / f"{what}-{runner}-{number}"
    with place as execution:
        if what == "classes":
            seconds = six_classes(_six(root, workdir, execution))
            print(f"six classes, {at_once} {runner}: {seconds:.1f} s", flush=True)
            return
        seconds = many_stubs(_six(root, workdir, execution), number)
    alone = _alone(root)
    print(
        f"{number} stubs, {at_once} {runner}: {seconds:.1f} s, {1000 * seconds / number:.0f} ms "
        f"each by the clock; one alone takes {1000 * alone:.0f} ms of a core",
        flush=True,
    )


def _six(root: Path, workdir: Path, execution: dict[str, Any]) -> RunConfig:
    data = draw_dataset(root / "scenes", dict.fromkeys(_CLASSES, 16), side_px=32)
    loop = {"evaluations": 0, "batch_size": 16, "checkpoint_every": 50}
    return RunConfig(
        data=data, workdir=workdir, preset="demo", drawn=True, device="cpu", name=workdir.name,
        plan={"target": "24", "rarest": None}, generator={"image_size": 32, "dim": 16},
        base={**loop, "steps": 10}, training={**loop, "steps": _STEPS}, sampling={"steps": 10},
        classifier={"model": "test_resnet", "image_size": 32, "steps": 20}, execution=execution,
    )  # fmt: skip


def _alone(root: Path) -> float:
    began = time.monotonic()
    for number in range(10):
        stub.fn(root / f"alone-{time.monotonic_ns()}-{number}")
    return (time.monotonic() - began) / 10


if __name__ == "__main__":
    sys.exit(main())
