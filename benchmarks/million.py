"""What a data set of a million images costs: scan, plan and assemble, each in its own process.

    python benchmarks/million.py FOLDER 10000 100000 1000000 > docs/benchmarks/million.md

Draws so many different pictures of 32 px below FOLDER (made once; a million take 4 GB of disk, in
files of 4 KiB each) and runs the commands on them. One small class is filled with a few images by a
generator of two steps, so that `assemble` has something to put together; `train` and `sample` are
run for it and not measured. CPU time and peak memory are the operating system's, of the process and
of what it has waited for. The time by the clock is that of a machine that others use as well.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parents[1]
N_CLASSES, RARE, N_RARE = 100, "rare", 40
CELLS, CELL_PX = 8, 4  # a random picture of 8 x 8 cells has a hash of its own
MEASURED = ("scan", "plan", "assemble")
MAIN = "from flows.cli.app import main; main()"
SETTINGS = (
    "--preset", "cpu", "--device", "cpu", "--classes", RARE, "--target", str(N_RARE),
    *(word for setting in (
        "strategy=scratch", "generator.dim=8", "generator.dim_mults=[1,2]", "training.steps=2",
        "training.batch_size=4", "training.evaluations=0", "sampling.steps=2",
        "screening.enabled=false",
    ) for word in ("--set", setting)),
)  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What one command took.

    Attributes:
        cpu_s, wall_s: seconds of the processor, and by the clock.
        peak_mib: most memory at once.
    """

    cpu_s: float
    wall_s: float
    peak_mib: float


def draw_images(folder: Path, n_images: int) -> Path:
    """Write the pictures unless they are there; return their folder."""
    data = folder / f"images-{n_images}"
    if data.is_dir():
        return data
    aside = data.with_name(f".{data.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    names = [f"class_{number:03d}" for number in range(N_CLASSES - 1)]
    for name in (*names, RARE):
        (aside / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(n_images):
        name = RARE if index < N_RARE else names[index % len(names)]
        cells = rng.integers(0, 256, (CELLS, CELLS, 3), dtype=np.uint8)
        picture = Image.fromarray(cells.repeat(CELL_PX, 0).repeat(CELL_PX, 1))
        picture.save(aside / name / f"{index:07d}.png", compress_level=1)
    aside.rename(data)
    return data


def run(command: str, data: Path, workdir: Path) -> Cost:
    """Run a command of terrabalance; return what it took.

    Raises:
        SystemExit: it failed; its output says why.
    """
    words = [command, str(data), "--workdir", str(workdir), "--name", "million", *SETTINGS]
    began = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-c", MAIN, *words], stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )  # fmt: skip
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"terrabalance {command} failed with {os.waitstatus_to_exitcode(status)}")
    wall_s = time.monotonic() - began
    return Cost(usage.ru_utime + usage.ru_stime, wall_s, usage.ru_maxrss / 1024)


def measured(data: Path, workdir: Path) -> dict[str, Cost]:
    """Return what each stage takes on a data set, whose work folder is made anew."""
    shutil.rmtree(workdir, ignore_errors=True)
    costs = {command: run(command, data, workdir) for command in (*MEASURED[:2], "train", "sample")}
    costs["assemble"] = run("assemble", data, workdir)
    shutil.rmtree(workdir)
    return {command: costs[command] for command in MEASURED}


def main() -> None:
    """Measure each size, and print the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="gets the pictures and the results")
    parser.add_argument("images", type=int, nargs="+")
    given = parser.parse_args()
    print(
        f"# A million images\n\nBy `benchmarks/million.py` on {os.cpu_count()} cores "
        f"({platform.machine()}), which other work used as well: CPU time counts. PNG of 32 px, "
        f"all different, in {N_CLASSES} classes; each command is a process of its own, with Python "
        "and its libraries.\n\n"
        "| command | images | CPU | CPU an image | by the clock | peak memory |\n"
        "|---|---:|---:|---:|---:|---:|",
        flush=True,
    )
    for n_images in given.images:
        data = draw_images(given.folder.resolve(), n_images)
        for command, cost in measured(data, given.folder.resolve() / "work").items():
            print(
                f"| `{command}` | {n_images:,} | {cost.cpu_s:,.0f} s | "
                f"{1e6 * cost.cpu_s / n_images:,.0f} µs | {cost.wall_s:,.0f} s | "
                f"{cost.peak_mib:,.0f} MiB |",
                flush=True,
            )


if __name__ == "__main__":
    main()
