"""Is one generator trained faster by several devices together? `execution.devices_per_class`.

    python benchmarks/devices_per_class.py docs/benchmarks                  # the CPU's cores in two
    python benchmarks/devices_per_class.py OUT --devices 4 --sides 128 --batches 32 64   # four GPUs

One process on one device, or on all threads of the CPU, and a process on each device, or on its
share of the threads, take turns in one run; the others wait meanwhile. Told are the images a
second of both, medians of several rounds, and their ratio: above 1, together is faster. Set-up and
the first steps are not counted. Whether it pays is another question: as many classes, each on a
device of its own, come to `devices` times the speed of one.
"""

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from training_speed import ROUNDS, WARM_UP, network_of, pictures, take

from augment.config import TrainingConfig
from augment.train.data import TrainingData
from augment.train.launch import CallParent, run_ranks
from augment.train.loop import TrainingLoop
from augment.train.process_group import DistributedProcessGroup
from augment.train.spec import TrainingSpec
from flows.store.devices import devices_here
from terrabalance.device import describe_device
from terrabalance.files import write_text

HEADER = (
    "| Side, px | batch | gradients, MB | one | {n} together | ratio | faster |",
    "|---|---|---|---|---|---|---|",
)


def rounds(
    group: DistributedProcessGroup,
    call_parent: CallParent,
    images: torch.Tensor,
    spec: TrainingSpec,
    folder: Path,
    steps: int,
) -> None:
    """Train as one of several; take turns with the process that started them."""
    data = TrainingData(images.numpy())
    loop = TrainingLoop(data, spec, folder, group.device, group=group)
    take(loop, WARM_UP)
    for _ in range(ROUNDS):
        if group.is_main:
            call_parent("your turn")
        group.broadcast(None)  # the others wait for that too
        began = time.perf_counter()
        take(loop, steps)
        if group.is_main:
            call_parent("took", time.perf_counter() - began)


def compare(side: int, batch: int, devices: list[torch.device], steps: int) -> str:
    """Return the row of one size and batch."""
    images, loop = pictures(side), TrainingConfig(batch_size=batch)
    spec = TrainingSpec("speed", network_of(side, devices[0]), loop, seed=0)
    seconds: dict[str, list[float]] = {"one": [], "together": []}
    with tempfile.TemporaryDirectory() as folder:
        one = TrainingLoop(TrainingData(images), spec, Path(folder), devices[0])
        take(one, WARM_UP)

        def my_turn() -> None:
            began = time.perf_counter()
            take(one, steps)
            seconds["one"].append(time.perf_counter() - began)

        functions = {"your turn": my_turn, "took": seconds["together"].append}
        shared = torch.from_numpy(images)
        run_ranks(rounds, devices, functions, "speed", shared, spec, Path(folder), steps)
    alone, joint = (batch * steps / float(np.median(seconds[which])) for which in seconds)
    size = 4 * sum(p.numel() for p in one.stepper.network.parameters()) / 1e6
    return (
        f"| {side} | {batch} | {size:.0f} | {alone:.1f} | {joint:.1f} | {joint / alone:.2f} "
        f"| {'yes' if joint > alone else 'no'} |"
    )


def main() -> None:
    """Measure every size and batch; write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--devices", type=int, default=2, help="of this machine, together")
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--steps", type=int, default=5, help="a round")
    given = parser.parse_args()
    names = devices_here("auto")
    if names == ["cpu"]:
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        names *= given.devices
    if len(names) < given.devices:
        parser.error(f"this machine has {len(names)}: {', '.join(names)}")
    devices = [torch.device(name) for name in names[: given.devices]]
    network = network_of(given.sides[0], devices[0])
    lines = [
        "# One generator on several devices", "",
        f"U-Net of dim {network.dim} {network.dim_mults}, by one process on "
        f"{describe_device(devices[0])}, and by {given.devices} together"
        f"{' on the same threads' if names[0] == 'cpu' else ''}; torch {torch.__version__}, Python "
        f"{platform.python_version()}. Images a second, medians of {ROUNDS} alternating rounds of "
        f"{given.steps} steps (`benchmarks/devices_per_class.py`).", "",
        HEADER[0].format(n=given.devices), HEADER[1],
    ]  # fmt: skip
    for side in given.sides:
        for batch in given.batches:
            lines.append(compare(side, batch, devices, given.steps))
            print(lines[-1], flush=True)
    write_text(given.out / "devices_per_class.md", "\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
