"""The public split of AID, as a CSV for `terrabalance compare`: 60/20/20, stratified, seed 0.

    python benchmarks/public_split.py AID split.csv
    terrabalance compare split.csv --images AID ...

The recipe is that of torchgeo-bench: names in order, scikit-learn's stratified split with seed 0.
On all 10,000 images it is their split; on a part of AID it is one made alike. What a fine-tuned
network reaches on it is in docs/experiments.md, beside what is published.
"""

import argparse
from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split

from terrabalance.files import write_text


def split(images: list[str], seed: int = 0) -> pd.DataFrame:
    """Return columns path, class and split of paths `<class>/<file>`."""
    labels = [path.split("/")[0] for path in images]
    train, rest = train_test_split(images, test_size=0.4, stratify=labels, random_state=seed)
    rest_labels = [path.split("/")[0] for path in rest]
    val, test = train_test_split(rest, test_size=0.5, stratify=rest_labels, random_state=seed)
    parts = {"train": train, "val": val, "test": test}
    rows = [(path, path.split("/")[0], part) for part, paths in parts.items() for path in paths]
    return pd.DataFrame(sorted(rows), columns=["path", "class", "split"])


def main() -> None:
    """Write the CSV."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with one subfolder a class")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    images = sorted(str(path.relative_to(given.data)) for path in given.data.glob("*/*.jpg"))
    write_text(given.out, split(images).to_csv(index=False))


if __name__ == "__main__":
    main()
