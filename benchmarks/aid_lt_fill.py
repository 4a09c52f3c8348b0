"""Filter and screen images of AID-LT that were drawn elsewhere, and put them beside the real ones.

    python benchmarks/aid_lt_fill.py AID-LT.csv AID WEIGHTS DRAWN WORKDIR OUT
    terrabalance compare OUT/images.csv --resolution 64 ...

DRAWN holds CLASS.png for each class, images one below the other from `benchmarks/aid_lt_gpu.py`.
They go through the same filter and the same rules as in a run. Each class is filled to the size of
the largest (`--times` more or less), or as far as what is accepted goes. OUT gets copies of the
images and images.csv with a column `source`; WORKDIR keeps what the screening computes.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from natural_aid import copied
from PIL import Image

from augment.sample.class_sampler import MEASURED_ON
from augment.sample.sampling import MARK
from augment.sample.spectrum import apply_map, spectrum_map
from augment.screen.limits import with_fixed
from flows.settings.config import build_config
from flows.stages import screening
from flows.stages.features import feature_network
from flows.stages.run import Run
from terrabalance.bands import RGB
from terrabalance.files import write_text
from terrabalance.images import grid, read_patches, write_image, write_png
from terrabalance.marks import SYNTHETIC_KEY
from terrabalance.seeds import seed_for

PARTS = ("train", "val", "test", "oracle")
COLUMNS = 16


class Screening:
    """The filter and the rules of a run on AID-LT."""

    def __init__(self, table: Path, images: Path, weights: Path, workdir: Path) -> None:
        rows = pd.read_csv(table)
        used = workdir / "aid-lt.csv"
        workdir.mkdir(parents=True, exist_ok=True)
        write_text(used, rows[rows["split"].isin(PARTS[:3])].to_csv(index=False))
        settings = ["fidelity.model=tf_efficientnet_lite0", "fidelity.image_size=160"]
        options = {"images": images, "workdir": workdir, "fidelity": {"weights": weights}}
        config = build_config(used, None, [*settings, "generator.image_size=64"], options)
        run = Run(config)
        self.catalogue, self._side = run.catalogue, config.generator.image_size
        self.classes = sorted(self.catalogue.usable("train")["class"].unique())
        self._screening = screening.Screening(run, feature_network(run)(torch.device("cpu")))

    def reals(self, name: str) -> np.ndarray:
        """Return (N, 3, H, W) training images of a class."""
        rows = self.catalogue.usable("train", name)
        return read_patches(self.catalogue.paths(rows), self._side, RGB)

    def passed(self, name: str, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray, Counter[str]]:
        """Return the filtered images, which are accepted, and how many each rule refuses."""
        others = [self.reals(other) for other in self.classes if other != name]
        seeds = [seed_for(0, "sample", name, index) for index in range(len(drawn))]
        mapping = spectrum_map(self.reals(name), drawn[:MEASURED_ON], others)
        images = apply_map(drawn, mapping, seeds)
        found, limit = self._screening.scores(name, images)
        bad = {rule: found[rule] > most for rule, most in with_fixed(limit).items()}
        refused = Counter({rule: int(which.sum()) for rule, which in bad.items()})
        return images, ~np.any(list(bad.values()), axis=0), +refused


def stacked(path: Path) -> np.ndarray:
    """Return (N, 3, W, W) uint8, the square images that lie one below the other."""
    strip = np.asarray(Image.open(path).convert("RGB"))
    side = strip.shape[1]
    return strip.reshape(-1, side, side, 3).transpose(0, 3, 1, 2)


def fill(
    screening: Screening, name: str, drawn: np.ndarray, times: float, out: Path
) -> pd.DataFrame:
    """Write accepted images of a class, so many times what it lacks; return their rows."""
    counts = screening.catalogue.usable("train")["class"].value_counts()
    lacking = round(times * (counts.max() - counts[name]))
    images, good, refused = screening.passed(name, drawn)
    chosen = np.flatnonzero(good)[:lacking]
    print(f"{name}: lacks {lacking}, {int(good.sum())} of {len(drawn)}", dict(refused), flush=True)
    paths = [f"synthetic/{name}/{index:06d}.png" for index in chosen]
    marks = {"Description": MARK, SYNTHETIC_KEY: "true", "terrabalance:class": name}
    for path, index in zip(paths, chosen, strict=True):
        write_image(out / path, images[index], RGB, marks)
    write_png(out / "looks" / f"{name}.png", grid(images[chosen[:COLUMNS]], columns=COLUMNS))
    return pd.DataFrame({"path": paths, "class": name, "split": "train", "source": "synthetic"})


def main() -> None:
    """Fill every class that was drawn, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("table", "images", "weights", "drawn", "workdir", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--times", type=float, default=1, help="what the classes lack")
    given = parser.parse_args()
    rows = pd.read_csv(given.table)
    rows = copied(rows[rows["split"].isin(PARTS)], given.images, given.out)
    screening = Screening(given.table, given.images, given.weights, given.workdir)
    made = [
        fill(screening, file.stem, stacked(file), given.times, given.out)
        for file in sorted(given.drawn.glob("*.png"))
    ]
    write_text(given.out / "images.csv", pd.concat([rows, *made]).to_csv(index=False))


if __name__ == "__main__":
    main()
