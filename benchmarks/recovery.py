"""How long after a kill its class goes on: a process of this machine, and a node of Ray.

    python benchmarks/recovery.py

Two classes are trained at once on drawn scenes; one process or node is killed with SIGKILL when
both have a checkpoint. Told are the seconds from the kill until the class that was struck has
written its next checkpoint. What a killed Prefect worker takes: `crash_recovery.py`. Takes two
minutes on two cores that do nothing else, and five on busy ones.
"""

import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: as many threads in every process

from prefect_here import server

from augment.scenes import draw_dataset
from flows.orchestrate.balance import train_and_synthesize
from flows.settings.config import RunConfig

_CLASSES = ("Forest", "River", "Beach")


def settings(root: Path, name: str, **execution: object) -> RunConfig:
    """Return a job of two classes at 32 px, a checkpoint every ten steps."""
    loop = {"evaluations": 0, "batch_size": 16, "checkpoint_every": 10}
    return RunConfig(
        data=root / "scenes", workdir=root / name, preset="demo", drawn=True, device="cpu",
        name=name, plan={"target": "24", "classes": _CLASSES[:2]},
        generator={"image_size": 32, "dim": 16}, sampling={"steps": 5},
        base={**loop, "steps": 10}, training={**loop, "steps": 100},
        classifier={"model": "test_resnet"}, execution=execution,
    )  # fmt: skip


def newest(config: RunConfig) -> dict[str, float]:
    """Return when each class last wrote a checkpoint."""
    generators = config.workdir / "data" / "generators"
    written: dict[str, float] = {}
    for path in generators.glob("[!b]*-*/checkpoints/*.pt"):
        name = path.parent.parent.name
        written[name] = max(written.get(name, 0.0), path.stat().st_mtime)
    return written


def strike(config: RunConfig, kill: Callable[[], None], found: list[float]) -> None:
    """Kill in mid-training; append the seconds until the last class has gone on."""
    while len(newest(config)) < 2:
        time.sleep(0.05)
    kill()
    struck = time.time()
    time.sleep(0.5)  # for what is still being written
    while not all(when > struck + 0.5 for when in newest(config).values()):
        time.sleep(0.05)
    found.append(max(newest(config).values()) - struck)


def measure(config: RunConfig, kill: Callable[[], None], what: str) -> None:
    """Run the job, strike it, and print."""
    found: list[float] = []
    threading.Thread(target=strike, args=(config, kill, found), daemon=True).start()
    began = time.monotonic()
    train_and_synthesize(config)
    print(f"{what}: goes on after {found[0]:.1f} s; the job took {time.monotonic() - began:.0f} s")


def main() -> None:
    """Measure both."""
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        draw_dataset(root / "scenes", dict.fromkeys(_CLASSES, 12), side_px=32)
        with server(root):
            local = settings(root, "local", runner="local", per_device=2)
            measure(local, lambda: multiprocessing.active_children()[0].kill(), "a killed process")
            # Its dashboard is six processes, which take half of two cores while they start.
            head = {"num_cpus": 0, "include_dashboard": False}
            cluster = Cluster(initialize_head=True, head_node_args=head)
            nodes = [cluster.add_node(num_cpus=2) for _ in range(2)]  # room on the other
            ray = settings(root, "ray", runner="ray", ray_address=cluster.address)
            measure(
                ray, lambda: cluster.remove_node(nodes[0], allow_graceful=False), "a lost Ray node"
            )
            cluster.shutdown()


if __name__ == "__main__":
    main()
