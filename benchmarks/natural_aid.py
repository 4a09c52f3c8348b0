"""The natural AID, filled around parts of its own images by the generator of AID-LT.

    python benchmarks/natural_aid.py AID-LT.csv AID MADE_BY OUT
    terrabalance compare OUT/images.csv --resolution 64 ...

The pool to train on are the parts train, oracle and unused of the protocol; validation and test
stay. Every class is filled to the size of the largest. MADE_BY is the folder of a generator that
knows all classes, which draws what is missing, not screened; or what `aid_lt_fill.py` wrote, whose
synthetic images are taken, as many as a class lacks or has. That either has seen a quarter of the
pool only is a weakness of the synthetic images, not a leak. OUT gets copies of the images and
images.csv with a column `source`.
"""

import argparse
import shutil
from pathlib import Path

import pandas as pd
import torch

from augment.config import SamplingConfig
from augment.sample.request import RealImages, SamplingRequest
from augment.sample.sampling import sample_class
from terrabalance.files import write_text
from terrabalance.images import read_patches

POOL = ("train", "oracle", "unused")
SIDE_PX, SAMPLING = 64, SamplingConfig(steps=14, keep=0.6)


def real_rows(table: Path, images: Path, out: Path) -> pd.DataFrame:
    """Copy the images of the pool, of validation and of test; return path, class and split."""
    rows = pd.read_csv(table)
    rows["split"] = rows["split"].where(~rows["split"].isin(POOL), "train")
    return copied(rows, images, out)


def copied(rows: pd.DataFrame, images: Path, out: Path) -> pd.DataFrame:
    """Copy real images to OUT/real; return their rows with the new paths and their source."""
    for path in rows["path"]:
        target = out / "real" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copyfile(images / path, target)
    return rows.assign(path="real/" + rows["path"], source="real")


def taken(table: Path, lacking: pd.Series, out: Path) -> pd.DataFrame:
    """Copy synthetic images that a table lists, the first of each class, as far as there are any.

    Args:
        table: with columns path, class, split and source.
        lacking: images, by class.
        out: gets them.
    """
    rows = pd.read_csv(table)
    made = rows[rows["source"] == "synthetic"].sort_values("path").groupby("class")
    some = pd.concat([part.head(lacking[name]) for name, part in made])
    for path in some["path"]:
        target = out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(table.parent / path, target)
    print(f"{len(some)} of {lacking.sum()} that are missing", flush=True)
    return some


def fill(name: str, own: pd.DataFrame, wanted: int, generator: Path, out: Path) -> pd.DataFrame:
    """Draw what a class lacks; return path, class and split."""
    lacking = wanted - len(own)
    folder = out / "synthetic" / name
    if lacking:
        files = [out / path for path in own["path"]]
        cpu = torch.device("cpu")
        request = SamplingRequest(generator, name, lacking, SAMPLING, 0, folder, cpu, "natural")
        sample_class(request, RealImages(lambda: read_patches(files, SIDE_PX)))
    print(name, len(own), lacking, flush=True)
    paths = [f"synthetic/{name}/{index:06d}.png" for index in range(lacking)]
    return pd.DataFrame({"path": paths, "class": name, "split": "train", "source": "synthetic"})


def main() -> None:
    """Draw what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("table", "images", "made_by", "out"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    rows = real_rows(given.table, given.images, given.out)
    train = rows[rows["split"] == "train"]
    sizes = train.groupby("class").size()
    wanted, listed = int(sizes.max()), given.made_by / "images.csv"
    if listed.is_file():
        made = [taken(listed, wanted - sizes, given.out)]
    else:
        made = [
            fill(str(name), own, wanted, given.made_by, given.out)
            for name, own in train.groupby("class")
        ]
    write_text(given.out / "images.csv", pd.concat([rows, *made]).to_csv(index=False))


if __name__ == "__main__":
    main()
