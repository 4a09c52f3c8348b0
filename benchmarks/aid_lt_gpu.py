"""Train the generator of AID-LT on one GPU within a few minutes, and draw from it in several ways.

    python benchmarks/aid_lt_gpu.py AID-LT.csv AID WEIGHTS WORKDIR OUT --minutes 6

For a GPU that is lent by the minute: the settings are those of aid_lt_64px.toml with a network of
twice the width, and as many steps as the minutes allow, which is measured first. OUT gets the
generator's card, losses and evaluations, and a folder for each of WAYS with CLASS.png, the images
one below the other, neither filtered nor screened: `benchmarks/aid_lt_fill.py` does that elsewhere.
Only the parts train and val are read, of test the list.

On an H200 (torch 2.11, bf16, batches of 128): 3,695 images a second and 5.2 GiB. 7,968 steps, 5.2
minutes with four evaluations: KID to validation images 0.20, 0.13, 0.09 and 0.08 (+- 0.01) after
each quarter, coverage 0.18, 0.23, 0.30, 0.29, no copies. Drawing 3,435 images guided took 34 s,
2,190 around a kept part 23 s, loading and recording for each class included.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from training_speed import take

from augment.config import SamplingConfig
from augment.network.card import read_card
from augment.network.conditioning import label_of
from augment.network.generator import load_generator
from augment.sample.batch import draw_batch
from augment.train.data import TrainingData
from augment.train.loop import TrainingLoop
from augment.train.spec import TrainingSpec
from flows.settings.config import RunConfig, build_config
from flows.stages.generators import train_base
from flows.stages.run import Run
from terrabalance.device import describe_device, peak_memory, pick_device
from terrabalance.images import grid, read_patches, write_png
from terrabalance.seeds import seed_for

SETTINGS = Path(__file__).parent / "aid_lt_64px.toml"
GPU = [
    "generator.dim=64", "generator.dropout=0.1", "base.batch_size=128", "base.augment=0.15",
    "base.learning_rate=5e-4", "base.warmup_steps=200", "base.evaluations=4",
    "base.memorizing=10.0", "base.preview_every=100000", "base.checkpoint_every=100000",
]  # fmt: skip
# How, and images for each that the class lacks: so many as screening is likely to refuse.
WAYS = {
    "guided": (SamplingConfig(steps=16, guidance=1.5), 1.8),
    "keep": (SamplingConfig(steps=16, keep=0.6), 1.1),
    "noise": (SamplingConfig(steps=16), 1.8),
}
SPARE = 8
STEPS_MEASURED, AT_ONCE = 40, 64


def log(message: str) -> None:
    """Say what happens, and when."""
    print(f"{time.monotonic() - BEGAN:7.1f} s  {message}", flush=True)


def steps_within(config: RunConfig, seconds: float) -> int:
    """Return how many optimizer steps take that long."""
    manifest = Run(config).catalogue
    rows = manifest.usable("train")
    classes, bands = tuple(sorted(rows["class"].unique())), Run(config).bands
    images = read_patches(manifest.paths(rows), config.generator.image_size, bands)
    labels = np.array([label_of(name, classes) for name in rows["class"]])
    spec = TrainingSpec("", config.generator, config.base, config.seed, None, classes, bands)
    data, device = TrainingData(images, labels), pick_device("auto")
    with tempfile.TemporaryDirectory() as folder:
        loop = TrainingLoop(data, spec, Path(folder), device)
        take(loop, 8)
        began = time.monotonic()
        take(loop, STEPS_MEASURED)
        rate = STEPS_MEASURED / (time.monotonic() - began)
    memory = peak_memory(device).get("cuda", 0) / 2**30
    log(f"{rate * config.base.batch_size:.0f} images/s, {memory:.1f} GiB")
    return max(1, int(rate * seconds))


def told(n_done: int, n_all: int, message: str) -> None:
    """Print now and then."""
    if n_done % 200 == 0:
        log(f"{message} ({n_done} of {n_all})")


def draw(config: RunConfig, generator: Path, way: str, times: float, out: Path) -> None:
    """Draw images of each class that lacks some, so many times what it takes to fill it."""
    manifest, device, (sampling, factor) = Run(config).catalogue, pick_device("auto"), WAYS[way]
    counts = manifest.usable("train")["class"].value_counts()
    for name in read_card(generator)["classes"]:
        lacking = int(counts.max() - counts[name])
        if not lacking:
            continue
        diffusion = load_generator(generator, name, device, sampling.guidance)
        reals = None
        if sampling.starts_from_real:
            rows = manifest.usable("train", name)
            reals = read_patches(manifest.paths(rows), config.generator.image_size)
        n = round(times * factor * lacking) + SPARE
        seeds = [seed_for(config.seed, "sample", name, index) for index in range(n)]
        parts = [
            draw_batch(diffusion, seeds[first : first + AT_ONCE], sampling, device, starts=reals)[0]
            for first in range(0, n, AT_ONCE)
        ]
        write_png(out / f"{name}.png", grid(np.concatenate(parts), columns=1, gap_px=0))


def main() -> None:
    """Train, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("table", "images", "weights", "workdir", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--times", type=float, default=1, help="what fills the classes")
    parser.add_argument("--set", action="append", default=[], help="more settings")
    given = parser.parse_args()
    given.workdir.mkdir(parents=True, exist_ok=True)
    rows, table = pd.read_csv(given.table), given.workdir / "aid-lt.csv"
    there = rows["path"].map(lambda path: (given.images / path).is_file())
    rows[rows["split"].isin(("train", "val", "test")) & there].to_csv(table, index=False)

    def config_of(steps: int) -> RunConfig:
        options = {
            "images": given.images, "workdir": given.workdir, "base": {"steps": steps},
            "fidelity": {"weights": given.weights},
        }  # fmt: skip
        return build_config(table, SETTINGS, [*GPU, *given.set], options)

    log(describe_device(pick_device("auto")))
    config = config_of(steps_within(config_of(1), given.minutes * 60))
    generator = train_base(Run(config), told)
    assert generator is not None
    given.out.mkdir(parents=True, exist_ok=True)
    for name in ("card.json", "looks.csv", "losses.csv"):
        shutil.copy(generator / name, given.out)
    log(f"trained: {generator.name}, {config.base.steps} steps")
    for way in given.ways:
        draw(config, generator, way, given.times, given.out / way)
        log(f"drawn: {way}")


BEGAN = time.monotonic()
if __name__ == "__main__":
    main()
