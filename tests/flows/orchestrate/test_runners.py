"""The same job in one process, in several, and on Ray: same files, whatever dies on the way."""

import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import ray
from ray._private import worker
from spread import in_mid_training, made_by, with_the_base

from flows.orchestrate.balance import train_and_synthesize
from flows.orchestrate.job import Job
from flows.orchestrate.runners import local
from flows.orchestrate.runners.ray import connect
from flows.settings.config import RunConfig
from flows.store import held_out
from terrabalance.errors import BadInput, ProcessLost
from terrabalance.files import read_json

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    """The workdir of the undisturbed run."""
    return tmp_path_factory.mktemp("alone")


@pytest.fixture(scope="module")
def undisturbed(server, job, alone) -> dict[str, str]:
    return made_by(job(alone))


@pytest.fixture(scope="class")
def one_ray() -> Iterator[list[int]]:
    """A cluster for several tests: each would start its own, whose workers import anew.

    It is started where one that is gone has left its address, by a process that has a handler for
    SIGTERM; yields what that hears, once.
    """
    heard: list[int] = []

    def hear(number: int, _frame: object) -> None:
        heard.append(number)
        signal.signal(signal.SIGTERM, before)

    # Not pytest's own folder: the paths of Ray's sockets would be too long.
    with tempfile.TemporaryDirectory(prefix="r") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)
        (Path(folder) / "ray").mkdir()
        (Path(folder) / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
        before = signal.signal(signal.SIGTERM, hear)
        connect(None)
        yield heard
        ray.shutdown()
        signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("one_ray")
class TestOnOneRayCluster:
    def test_ray_makes_the_files_that_one_process_makes(self, undisturbed, job, tmp_path):
        assert made_by(job(tmp_path, runner="ray")) == undisturbed

    def test_a_signal_to_end_stays_the_commands_and_ray_prints_no_trace(self, one_ray, capfd):
        signal.raise_signal(signal.SIGTERM)
        assert one_ray == [signal.SIGTERM] and "SIGTERM" not in capfd.readouterr().err

    def test_a_class_may_have_two_processes(self, tiny, scenes, tmp_path):
        assert devices_of_each(tiny, scenes, tmp_path, "ray") == [2, 2]

    def test_more_devices_than_any_node_has_are_refused(self, job, tmp_path):
        with pytest.raises(BadInput, match=r"devices_per_class=64: no node .* more than \d+ CPUs"):
            train_and_synthesize(job(tmp_path, runner="ray", devices_per_class=64))


def devices_of_each(tiny, scenes, workdir, runner) -> list[int]:
    """Train on two devices; of the base and of the class, how many did it."""
    execution = {"runner": runner, "per_device": 2, "devices_per_class": 2}
    config = RunConfig(data=scenes, workdir=workdir, execution=execution, **tiny)
    train_and_synthesize(config)
    cards = (workdir / "data" / "generators").glob("*/card.json")
    return [read_json(card)["devices"] for card in cards]


def test_a_class_may_have_two_processes_of_this_machine(tiny, scenes, tmp_path):
    assert devices_of_each(tiny, scenes, tmp_path, "local") == [2, 2]


def test_a_process_that_does_a_job_does_not_warn_again_of_what_its_parent_has(monkeypatch):
    monkeypatch.setattr(held_out, "_told", {"of which is not known"})
    given: list[tuple[object, ...]] = []

    def pool(_n: int, initializer: Callable[..., None], initargs: tuple[object, ...]) -> None:
        given.append((initializer, *initargs))
        raise Stopped

    monkeypatch.setattr(local, "ProcessPoolTaskRunner", pool)
    with pytest.raises(Stopped):
        local._Slot(1).begin(Job("Pond", None, "", {}, "", lambda: False))
    ((begin, *initargs),) = given
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, begin, tuple(initargs)) as child:
        assert child.submit(held_out.told).result() == {"of which is not known"}


class Stopped(Exception):
    pass


def test_two_processes_do_so_too_even_if_one_is_killed(undisturbed, alone, job, tmp_path):
    killed = []

    def kill_one() -> None:
        killed.extend(multiprocessing.active_children()[:1])
        killed[0].kill()

    config = job(with_the_base(alone, tmp_path), runner="local", per_device=2)
    killer = in_mid_training(config, kill_one)
    assert made_by(config) == undisturbed
    assert not killer.is_alive() and killed[0].exitcode == -signal.SIGKILL


def test_a_lost_ray_node_has_its_class_done_by_another(undisturbed, alone, job, tmp_path):
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    config = job(with_the_base(alone, tmp_path), runner="ray", ray_address=cluster.address)
    killer = in_mid_training(config, lambda: cluster.remove_node(nodes[0], allow_graceful=False))
    try:
        assert made_by(config) == undisturbed
        assert not killer.is_alive()
    finally:
        cluster.shutdown()


def test_a_ray_of_its_own_that_dies_ends_the_run_in_a_sentence(
    undisturbed, alone, job, tmp_path, monkeypatch
):
    def strike() -> None:
        worker._global_node.all_processes["raylet"][0].process.kill()

    with tempfile.TemporaryDirectory(prefix="r") as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        config = job(with_the_base(alone, tmp_path), runner="ray")
        killer = in_mid_training(config, strike)
        with pytest.raises(ProcessLost, match="Ray's raylet, which this run started, has ended"):
            train_and_synthesize(config)
        assert not killer.is_alive() and not ray.is_initialized()
    assert made_by(job(tmp_path)) == undisturbed


def test_a_ray_cluster_that_does_not_answer_is_named(job, tmp_path):
    config = job(tmp_path, runner="ray", ray_address="127.0.0.1:1")
    with pytest.raises(BadInput, match=r"127\.0\.0\.1:1"):
        train_and_synthesize(config)


def test_a_ray_cluster_that_does_not_start_is_not_called_one_that_does_not_answer(
    job, tmp_path, monkeypatch
):
    deep = tmp_path / ("d" * 100)  # Ray's sockets cannot have such paths
    deep.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(deep))
    with pytest.raises(BadInput, match=r"^execution\.runner=ray: Ray did not start on"):
        train_and_synthesize(job(tmp_path, runner="ray"))


def test_workers_need_the_deployments(job, tmp_path):
    config = job(tmp_path, runner="workers")
    with pytest.raises(BadInput, match="terrabalance deploy"):
        train_and_synthesize(config)
