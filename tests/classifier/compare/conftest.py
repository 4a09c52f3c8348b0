"""Predictions with planted differences, and the record of their comparison."""

import numpy as np
import pandas as pd

from classifier.compare.comparison import compare, difference_of


def guesses(
    recalls: dict[str, list[float]],
    n: int = 50,
    seeds: int = 3,
    seed_noise: float = 0,
    rng_seed: int = 0,
    split: str = "test",
) -> pd.DataFrame:
    """Draw predictions with a chance of being right for each arm and class."""
    rng, rows = np.random.default_rng(rng_seed), []
    n_classes = len(next(iter(recalls.values())))
    for arm, chances in recalls.items():
        for seed in range(seeds):
            luck = rng.normal(0, seed_noise) if seed_noise else 0
            for label, chance in enumerate(chances):
                right = rng.random(n) < chance + luck
                other = (label + rng.integers(1, n_classes, n)) % n_classes
                rows += [
                    (arm, seed, split, f"{label}/{i:04d}.png", f"c{label}",
                     f"c{label if right[i] else other[i]}", chance)
                    for i in range(n)
                ]  # fmt: skip
    columns = ["arm", "seed", "split", "path", "class", "predicted", "confidence"]
    return pd.DataFrame(rows, columns=columns)


def compared(predictions: pd.DataFrame, n_classes: int = 3) -> dict:
    """Compare arms, of which those with synthetic images fill the first class."""
    counts = {f"c{label}": 10 for label in range(n_classes)}
    made = {**counts, "c0": 90}
    n_train = {arm: made if "synthetic" in arm else counts for arm in predictions["arm"].unique()}
    return compare(predictions, n_train, "64 px", {"model": "resnet18"})


def gain(record: dict, arm: str = "synthetic", baseline: str = "real") -> dict:
    """Return the difference of two arms in balanced accuracy."""
    return difference_of(record, arm, baseline)["balanced_accuracy"]
