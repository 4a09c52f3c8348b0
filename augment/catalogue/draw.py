"""Draw the parts of a split: stratified by class, and what belongs together in one part."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from augment.catalogue.labels import joined, of_one_value
from terrabalance.seeds import seed_for

TRAIN = "train"
_TRAIN_PLACE = 0


def draw_parts(rows: pd.DataFrame, shares: Mapping[str, float], seed: int) -> pd.DataFrame:
    """Give each row a part, in the column `split`; what `unit_labels` joins is in one part.

    The draw depends on the paths and the seed, not on the order of the rows, nor for one class on
    the images of another that it is not grouped with.

    Args:
        rows: of a manifest.
        shares: the fraction of each class that each part is to have; train has what is left.
        seed: of the draw.
    """
    parts = (TRAIN, *shares)
    classes = sorted(rows["class"].unique())
    codes = pd.Categorical(rows["class"], classes).codes
    sizes = np.bincount(codes, minlength=len(classes))
    need = np.array([_quota(int(n), tuple(shares.values())) for n in sizes])
    got, drawn = np.zeros_like(need), np.empty(len(rows), int)
    for unit in _units(rows, seed):
        if len(unit) == 1:
            label = codes[unit[0]]
            part = _choose_for_one(need[label], got[label])
            got[label, part] += 1
        else:
            counts = np.bincount(codes[unit], minlength=len(classes))
            part = _choose(counts, need, got)
            got[:, part] += counts
        drawn[unit] = part
    return rows.assign(split=np.array(parts)[drawn])


def unit_labels(rows: pd.DataFrame, columns: Sequence[str] = ("group", "place")) -> np.ndarray:
    """Return (N,) labels, equal for rows that share a number in a column, or are so connected."""
    pairs = [of_one_value(rows[column].to_numpy()) for column in columns]
    return joined(np.arange(len(rows)), pairs)


def _quota(n: int, shares: Sequence[float]) -> tuple[int, ...]:
    """Return how many of `n` images go to train and each other part: rounded, at least one each."""
    held_out = [max(1, math.floor(share * n + 0.5)) for share in shares]
    while sum(held_out) > max(len(shares), n - 1):
        largest = max(range(len(shares)), key=lambda part: (held_out[part], part))
        held_out[largest] -= 1
    return max(n - sum(held_out), 1), *held_out


def _units(rows: pd.DataFrame, seed: int) -> list[list[int]]:
    """Return the positions that stay together, the largest groups first, else in seeded order."""
    together: dict[int, list[int]] = defaultdict(list)
    paths = rows["path"].tolist()
    for position, label in enumerate(unit_labels(rows).tolist()):
        together[label].append(position)

    def order(unit: list[int]) -> tuple[int, int, str]:
        first = min(paths[position] for position in unit)
        return -len(unit), seed_for(seed, "split", first), first

    return sorted(together.values(), key=order)


def _choose_for_one(need: np.ndarray, got: np.ndarray) -> int:
    """Return the part for a single image, given (P,) `need` and `got` of its class.

    It fills the last part, then the one before, then train.
    """
    backwards = range(len(need) - 1, -1, -1)
    return next((part for part in backwards if got[part] < need[part]), _TRAIN_PLACE)


def _choose(counts: np.ndarray, need: np.ndarray, got: np.ndarray) -> int:
    """Return the part for a group with (K,) `counts` a class, given (K, P) `need` and `got`.

    It goes where the largest share of the need is open, on a tie to train: so even a class of a few
    groups reaches every part.
    """
    return int(np.argmax((counts @ (1 - got / need)).round(9)))
