"""The predictions of all arms on one split, as arrays in one order of images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from terrabalance.errors import BadInput
from terrabalance.wording import listed

_KEY = ["arm", "seed", "path"]
_CLASS_COLUMNS = {"class": "str", "predicted": "str"}


@dataclass(frozen=True)
class PairedPredictions:
    """The predictions of all arms for the same images and seeds.

    Attributes:
        paths: of the images, sorted.
        truth: (images,) labels.
        predicted: arm -> (seeds, images) labels.
        confidence: arm -> (seeds, images) of the predicted class, in [0, 1].
        seeds: of each arm.
    """

    paths: list[str]
    truth: np.ndarray
    predicted: dict[str, np.ndarray]
    confidence: dict[str, np.ndarray]
    seeds: list[int]

    def hits(self, arm: str) -> np.ndarray:
        """Return (seeds, images) bool: whether each prediction is right."""
        right: np.ndarray = self.predicted[arm] == self.truth
        return right


def read_predictions(path: Path) -> pd.DataFrame:
    """Read a table of predictions. Class names stay text, also NA and 1."""
    return pd.read_csv(path, keep_default_na=False, dtype=_CLASS_COLUMNS)


def paired_predictions(
    predictions: pd.DataFrame, split: str, arms: Sequence[str], classes: Sequence[str]
) -> PairedPredictions | None:
    """Return the predictions of `arms` on `split`, paired by seed and image; None without any.

    Raises:
        BadInput: an arm lacks a seed or an image, has one twice, has other true classes than the
            others, or names a class that is not in `classes`.
    """
    rows = predictions[(predictions["split"] == split) & predictions["arm"].isin(list(arms))]
    if rows.empty:
        return None
    if unknown := sorted((set(rows["class"]) | set(rows["predicted"])) - set(classes)):
        raise BadInput(f"predictions hold classes that n_train does not list: {listed(unknown)}.")
    rows = rows.sort_values(_KEY)
    seeds, n_images = _check_pairs(rows, split, arms)
    label = {name: index for index, name in enumerate(classes)}
    tables = {arm: rows[rows["arm"] == arm] for arm in arms}
    shape, first = (len(seeds), n_images), next(iter(tables.values())).iloc[:n_images]
    predicted = {
        arm: table["predicted"].map(label).to_numpy(int).reshape(shape)
        for arm, table in tables.items()
    }
    confidence = {
        arm: table["confidence"].to_numpy(float).reshape(shape) for arm, table in tables.items()
    }
    truth = first["class"].map(label).to_numpy(int)
    return PairedPredictions(list(first["path"]), truth, predicted, confidence, seeds)


def _check_pairs(rows: pd.DataFrame, split: str, arms: Sequence[str]) -> tuple[list[int], int]:
    """Return seeds and number of images, after making sure that all arms have the same."""
    seeds = sorted(int(seed) for seed in rows["seed"].unique())
    images = rows[["path", "class"]].drop_duplicates()
    if twice := sorted(images["path"][images["path"].duplicated()]):
        raise BadInput(f"the arms disagree on the true class of {twice[0]!r}. Train them again.")
    if rows.duplicated(_KEY).any():
        raise BadInput(f"a {split} image is predicted twice by one arm and seed. Train them again.")
    found: Mapping[tuple[str, int], int] = rows.groupby(["arm", "seed"]).size().to_dict()
    for name in arms:
        for seed in seeds:
            n = found.get((name, seed), 0)
            if n != len(images):
                raise BadInput(
                    f"arm {name!r}, seed {seed} predicts {n} of {len(images)} {split} images. "
                    "Arms are compared on equal seeds and images: train this one again."
                )
    return seeds, len(images)
