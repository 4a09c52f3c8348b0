"""The same job on one process, on several, and on Ray: same files, whatever dies on the way."""

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.testing.utilities import prefect_test_harness

from flows.balance import train_and_synthesize
from flows.config import RunConfig
from terrabalance.files import sha256_of

_MADE = ("*.safetensors", "*.png", "manifest.csv", "losses.csv", "screening.json")


@pytest.fixture(scope="module", autouse=True)
def server():
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture(scope="module")
def two_classes(scenes, tiny):
    """Settings of a job that fills two classes, in any workdir."""

    def settings(workdir: Path, **execution) -> RunConfig:
        plan = {"target": "max", "rarest": 2}
        training = {**tiny["training"], "steps": 150, "checkpoint_every": 10, "preview_every": 200}
        given = {**tiny, "plan": plan, "training": training, "execution": execution}
        return RunConfig(data=scenes, workdir=workdir, name="two", **given)

    return settings


def made_by(config: RunConfig) -> dict[str, str]:
    """Run the generators; return file -> hash of what they made."""
    train_and_synthesize(config)
    return files_of(config)


def in_mid_training(config: RunConfig, strike: Callable[[], None]) -> threading.Thread:
    """Call `strike` once both classes have a checkpoint and neither is finished."""

    def wait() -> None:
        generators = config.workdir / "data" / "generators"
        while len({path.parent for path in generators.glob("[!b]*-*/checkpoints/*.pt")}) < 2:
            time.sleep(0.05)
        assert not list(generators.glob("[!b]*-*/done.json"))
        strike()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def files_of(config: RunConfig) -> dict[str, str]:
    data = config.workdir / "data"
    paths = [path for pattern in _MADE for path in data.rglob(pattern)]
    return {str(path.relative_to(data)): sha256_of(path) for path in paths}


@pytest.fixture(scope="module")
def undisturbed(two_classes, tmp_path_factory) -> dict[str, str]:
    return made_by(two_classes(tmp_path_factory.mktemp("alone")))


def test_ray_makes_the_files_that_one_process_makes(undisturbed, two_classes, tmp_path):
    assert made_by(two_classes(tmp_path, runner="ray")) == undisturbed


def test_two_processes_do_so_too_even_if_one_is_killed(undisturbed, two_classes, tmp_path):
    killed = []

    def kill_one() -> None:
        killed.extend(multiprocessing.active_children()[:1])
        killed[0].kill()

    config = two_classes(tmp_path, runner="local", per_device=2)
    killer = in_mid_training(config, kill_one)
    assert made_by(config) == undisturbed
    assert not killer.is_alive() and killed[0].exitcode == -signal.SIGKILL


def test_a_lost_ray_node_has_its_class_done_by_another(undisturbed, two_classes, tmp_path):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    config = two_classes(tmp_path, runner="ray", ray_address=cluster.address)
    killer = in_mid_training(config, lambda: cluster.remove_node(nodes[0], allow_graceful=False))
    try:
        assert made_by(config) == undisturbed
        assert not killer.is_alive()
    finally:
        cluster.shutdown()
