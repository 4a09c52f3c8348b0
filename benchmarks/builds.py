"""Training and drawing of several builds and networks, side by side: CPU time and memory.

    git worktree add BEFORE REVISION
    python benchmarks/builds.py OUT.md --side 64 \
        before=BEFORE: now=.: "patch 2=.:patch=2" "patch 2, dim 64=.:patch=2 dim=64"

Each is a process of one thread with the code of its checkout; they take turns, a round each, so
that a busy machine slows all alike. The network is that of the preset `cpu` (dim 32, 1-2-4), with
the settings that are named, of the generator or of its training. Told are the medians over the
rounds, as processor time of an image, and the ratios to the first, round by round. Memory is what
the first steps add to the peak.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from networks import TRAINING, settings_of

BATCH, STEPS, ROUNDS, CALLS, N_DRAWN = TRAINING["batch_size"], 3, 7, 20, 8


def work(settings: dict[str, Any], in_training: dict[str, Any], precision: str) -> None:
    """Measure a round for each line of the input; one line of JSON for each, memory first."""
    import resource
    import time

    import numpy as np
    import torch

    torch.set_num_threads(1)
    try:
        from augment.network.config import GeneratorConfig
    except ImportError:  # a former build
        from augment.config import GeneratorConfig
    from augment.config import SamplingConfig, TrainingConfig
    from augment.sample.batch import draw_batch
    from augment.train.data import TrainingData
    from augment.train.loop import TrainingLoop
    from augment.train.spec import TrainingSpec
    from terrabalance.device import autocast

    network = GeneratorConfig(**settings)
    side = settings["image_size"]
    images = np.random.default_rng(0).integers(0, 256, (BATCH * 4, 3, side, side), np.uint8)
    loop = TrainingConfig(**in_training, precision=precision)
    device = torch.device("cpu")
    with tempfile.TemporaryDirectory() as folder:
        spec = TrainingSpec("speed", network, loop, seed=0)
        training = TrainingLoop(TrainingData(images), spec, Path(folder), device)

    def take(n: int) -> None:
        for _ in range(n):
            training.stepper.advance()

    def draw() -> None:
        with (
            training.stepper.drawing_with(training.stepper.average) as diffusion,
            autocast(device, precision),
        ):
            draw_batch(diffusion, list(range(N_DRAWN)), SamplingConfig(steps=CALLS), device)

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    before = peak()
    take(2)
    print(json.dumps(peak() - before), flush=True)
    draw()
    for _ in sys.stdin:
        began = time.process_time()
        take(STEPS)
        between = time.process_time()
        draw()
        ended = time.process_time()
        seconds = (between - began) / STEPS / BATCH, (ended - between) / N_DRAWN
        print(json.dumps(seconds), flush=True)


class Side:
    """One of those that are compared: a process that waits for its turn."""

    def __init__(self, told: str, side_px: int, precision: str) -> None:
        self.name, _, rest = told.partition("=")
        checkout, _, words = rest.partition(":")
        settings = json.dumps(settings_of(words.split(), side_px))
        self.rounds = list[list[float]]()
        root = str(Path(checkout).resolve())
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--work", settings, "--precision", precision],
            cwd=root, env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        self._asks, self._answers = self._process.stdin, self._process.stdout
        self.added_mb = self._answer()

    def _answer(self) -> Any:
        return json.loads(self._answers.readline())

    def take_turn(self) -> None:
        """Measure a round."""
        self._asks.write("\n")
        self._asks.flush()
        self.rounds.append(self._answer())

    def end(self) -> None:
        """End the process."""
        self._asks.close()
        self._process.wait()

    def row(self, first: "Side") -> str:
        """Return the row of the table."""
        cells = [self.name]
        for place in (0, 1):
            mine = [one[place] for one in self.rounds]
            ratios = [theirs[place] / own for theirs, own in zip(first.rounds, mine, strict=True)]
            cells.append(f"{1000 * statistics.median(mine):.1f}")
            cells.append(
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            )
        cells.append(f"{self.added_mb:.0f}")
        return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure all sides in turn, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--precision", default="bf16", choices=["bf16", "fp32"])
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("out", nargs="?", type=Path)
    parser.add_argument("sides", nargs="*", metavar="NAME=CHECKOUT:SETTING=VALUE …")
    given = parser.parse_intermixed_args()
    if given.work:
        work(*given.work, given.precision)
        return
    sides = [Side(told, given.side, given.precision) for told in given.sides]
    for _ in range(ROUNDS):
        for side in sides:
            side.take_turn()
    for side in sides:
        side.end()
    lines = [
        f"{given.side} px, batches of {BATCH}, {given.precision}, one thread; {CALLS} network "
        f"calls an image drawn, {N_DRAWN} at once; {ROUNDS} rounds. {platform.machine()}, Python "
        f"{platform.python_version()} (`benchmarks/builds.py`).", "",
        "| | training, CPU ms an image | times the first | drawing, CPU ms an image "
        "| times the first | MB that a step adds |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [side.row(sides[0]) for side in sides]
    print("\n".join(lines))
    if given.out:
        given.out.write_text("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
