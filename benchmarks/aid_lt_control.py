"""What does the generator add to the squares of real images that stay? A control without one.

    python benchmarks/aid_lt_control.py FILLED OUT
    terrabalance compare OUT/images.csv --images OUT --resolution 64 ...

FILLED is what `benchmarks/aid_lt_fill.py` made of images drawn with sampling.keep. For each of them
OUT gets one with the same square of the same real training image, but around it, where FILLED has
what was drawn, another real training image of the class, turned at random (CutMix within a class).
Whatever arms gain with FILLED beyond what they gain with OUT is the generator's.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from augment.sample.starts import kept_parts, real_starts
from terrabalance.bands import RGB
from terrabalance.files import write_text
from terrabalance.images import grid, read_patches, write_image, write_png
from terrabalance.levels import to_levels
from terrabalance.seeds import generator_for

SIDE_PX, KEEP, COLUMNS = 64, 0.6, 16


def pasted(reals: np.ndarray, name: str, indices: list[int]) -> np.ndarray:
    """Return (N, 3, H, W) uint8, one for each index of a drawn image of the class."""
    draws = [generator_for(0, "sample", name, index) for index in indices]
    tensor = torch.from_numpy(reals)
    starts = real_starts(tensor, draws)  # in the order in which they were drawn
    kept = kept_parts(KEEP, (SIDE_PX, SIDE_PX), draws)
    around = real_starts(tensor, [generator_for("around", name, index) for index in indices])
    return to_levels(torch.lerp(around, starts, kept), np.uint8)


def main() -> None:
    """Write the images and the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("filled", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    rows = pd.read_csv(given.filled / "images.csv")
    shutil.copytree(given.filled / "real", given.out / "real", dirs_exist_ok=True)
    real = rows[(rows["source"] == "real") & (rows["split"] == "train")]
    for name, made in rows[rows["source"] == "synthetic"].groupby("class"):
        paths = sorted(real[real["class"] == name]["path"])
        reals = read_patches([given.filled / path for path in paths], SIDE_PX)
        images = pasted(reals, str(name), [int(Path(path).stem) for path in made["path"]])
        for path, image in zip(made["path"], images, strict=True):
            write_image(given.out / path, image, RGB, {"Description": "two images, pasted"})
        write_png(given.out / "looks" / f"{name}.png", grid(images[:COLUMNS], columns=COLUMNS))
    write_text(given.out / "images.csv", rows.to_csv(index=False))


if __name__ == "__main__":
    main()
