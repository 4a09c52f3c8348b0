"""What does it cost that a thread which waits for others spins, at rest and beside other work?

    python benchmarks/thread_waiting.py docs/benchmarks

A training of a few steps on two threads, in a process of its own each time: as libgomp waits by
itself (`spins`), as terrabalance sets it (`GOMP_SPINCOUNT=2000`), and never spinning
(`OMP_WAIT_POLICY=PASSIVE`); in turn, alone on the machine and beside a loop that takes one core.
Writes thread_waiting.md.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from terrabalance.files import write_text
from terrabalance.markdown import markdown_table

_ROUNDS, _STEPS = 3, 10
_WAYS = {
    "spins": {},
    "GOMP_SPINCOUNT=2000": {"GOMP_SPINCOUNT": "2000"},
    "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
}
_CHILD = f"""
import json, tempfile, time
from pathlib import Path
import numpy as np, torch
from augment.config import TrainingConfig
from augment.network.config import GeneratorConfig
from augment.train.data import TrainingData
from augment.train.loop import TrainingLoop
from augment.train.spec import TrainingSpec

torch.set_num_threads(2)
noise = np.random.default_rng(0).integers(0, 256, (16, 3, 32, 32), np.uint8)
config = GeneratorConfig(image_size=32, dim=32, dim_mults=(1, 2, 4))
training = TrainingConfig(batch_size=16, precision="fp32")
spec = TrainingSpec("noise", config, training, seed=0)
loop = TrainingLoop(TrainingData(noise), spec, Path(tempfile.mkdtemp()), torch.device("cpu"))
loop.stepper.advance()
wall, cpu = time.monotonic(), time.process_time()
for _ in range({_STEPS}):
    loop.stepper.advance()[0].item()
print(json.dumps([time.monotonic() - wall, time.process_time() - cpu]))
"""


def steps(more: dict[str, str]) -> tuple[float, float]:
    """Return the seconds by the clock and of the processor that the steps take."""
    known = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run(
        [sys.executable, "-c", _CHILD], env={**known, **more}, stdout=subprocess.PIPE, check=True
    )
    wall, cpu = json.loads(done.stdout.splitlines()[-1])
    return wall, cpu


@contextmanager
def busy_core() -> Iterator[None]:
    """Keep one core at work in the block."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


def rows() -> Iterator[list[str]]:
    """Yield a row a way of waiting and kind of machine."""
    for beside in (False, True):
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in _WAYS}
        for _ in range(_ROUNDS):
            for way, more in _WAYS.items():
                if beside:
                    with busy_core():
                        found[way].append(steps(more))
                else:
                    found[way].append(steps(more))
        base = [wall for wall, _ in found["spins"]]
        for way, times in found.items():
            ratios = [wall / before for (wall, _), before in zip(times, base, strict=True)]
            wall, cpu = (statistics.median(each) for each in zip(*times, strict=True))
            shown = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            where = "beside a busy core" if beside else "at rest"
            yield [f"{where}, {way}", f"{wall:.2f}", f"{cpu:.2f}", shown]


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    header = ["", "s by the clock", "CPU s", "clock to `spins`"]
    text = (
        "# How threads wait\n\n"
        f"By `benchmarks/thread_waiting.py`: {_STEPS} steps of 16 images at 32 px on two threads, "
        f"median of {_ROUNDS} alternating rounds, with the range of the ratios; "
        f"{os.cpu_count()} cores ({platform.machine()}).\n\n"
        f"{markdown_table(header, list(rows()))}"
    )
    write_text(out / "thread_waiting.md", text)
    print(text)


if __name__ == "__main__":
    main()
