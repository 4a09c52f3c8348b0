"""Did the synthetic images help? Paired arms on real test images, with an interval.

Every arm trains with the same seeds and is judged on the same real images, so the difference is
paired in both. How its interval is made: see `classifier.bootstrap`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from classifier.bootstrap import Difference, Paired, holm, judge
from classifier.evaluation import scores
from classifier.verdict import class_sentence, verdict
from terrabalance.errors import BadInput

METRICS = ("accuracy", "balanced_accuracy", "macro_f1")
_FEWEST_TO_JUDGE = 10  # test images of a class; with fewer a few lucky hits look like a proof
_KEY = ["arm", "seed", "path"]


def read_predictions(runs: Mapping[tuple[str, int], Path]) -> pd.DataFrame:
    """Read the predictions.csv of each (arm, seed) into one frame with columns arm and seed."""
    frames = [
        # A class may be called NA or 1.
        pd.read_csv(path, keep_default_na=False, dtype={"class": str, "predicted": str}).assign(
            arm=arm, seed=seed
        )
        for (arm, seed), path in runs.items()
    ]
    return pd.concat(frames, ignore_index=True)


def compare(
    predictions: pd.DataFrame,
    n_train: Mapping[str, Mapping[str, int]],
    resolution: str,
    training: Mapping[str, Any],
    baseline: str = "real",
    arm: str = "synthetic",
    test_kind: str = "real",
) -> dict[str, Any]:
    """Judge `arm` against `baseline` on the rows of split test.

    Args:
        predictions: columns arm, seed, split, path, class, predicted; other columns are ignored.
        n_train: training images by arm and class; the baseline's names are the classes.
        resolution: size that all images were reduced to, in words.
        training: model, steps, batch size...; kept in the record.
        baseline: arm to compare with.
        arm: arm to judge.
        test_kind: what the test images are, in words: `real`, or `drawn`.

    Returns:
        The comparison record; fractions in [0, 1]. Intervals are of 95 %, each class's too; the
        verdicts of the classes are corrected for their number (Holm). A class with fewer than
        two test images has the interval -1 to 1, one with fewer than ten is always `unchanged`,
        which means: no change was shown.

    Raises:
        BadInput: an arm is missing, or the arms differ in seeds or in test images.
    """
    classes = list(n_train[baseline])
    test = predictions[predictions["split"] == "test"].sort_values(_KEY)
    seeds = _check_pairs(test, baseline, arm)
    paired = _pair(test, classes, (baseline, arm), len(seeds))
    by_arm = {
        name: [scores(test[(test["arm"] == name) & (test["seed"] == s)], classes) for s in seeds]
        for name in (baseline, arm)
    }
    per_seed = _per_seed_difference(by_arm[baseline], by_arm[arm])
    found = judge(paired, per_seed)
    difference = {name: _interval(found, column) for column, name in enumerate(METRICS)}
    n_test = len(paired.truth)
    per_class = _per_class(classes, n_train, by_arm, found)
    return {
        "classes": classes, "arms": [baseline, arm], "seeds": seeds, "n_test": n_test,
        "test_kind": test_kind,        "resolution": resolution,
        "metrics": {name: _metrics(runs) for name, runs in by_arm.items()},
        "difference": {"baseline": baseline, "arm": arm, **difference},
        "per_class": per_class,
        "confusion": {
            name: np.sum([run["confusion"] for run in runs], axis=0).tolist()
            for name, runs in by_arm.items()
        },
        "verdict": {
            **verdict(
                difference["balanced_accuracy"], len(seeds), n_test,
                min(row["n_test"] for row in per_class if row["n_test"]), test_kind,
            ),
            "by_class": class_sentence(per_class, baseline, arm),
        },
        "training": dict(training),
    }  # fmt: skip


def _check_pairs(test: pd.DataFrame, baseline: str, arm: str) -> list[int]:
    """Return the seeds, after making sure that both arms have the same seeds and images."""
    arms = test[test["arm"].isin([baseline, arm])]
    seeds = sorted(int(seed) for seed in arms["seed"].unique())
    images = arms[["path", "class"]].drop_duplicates()
    if twice := sorted(images["path"][images["path"].duplicated()]):
        raise BadInput(f"the arms disagree on the true class of {twice[0]!r}. Train them again.")
    if arms.duplicated(_KEY).any():
        raise BadInput("a test image is predicted twice by one arm and seed. Train them again.")
    if arms.empty:
        raise BadInput("there are no predictions on split test. Train the arms first.")
    for name in (baseline, arm):
        for seed in seeds:
            rows = arms[(arms["arm"] == name) & (arms["seed"] == seed)]
            if len(rows) != len(images):
                raise BadInput(
                    f"arm {name!r}, seed {seed} predicts {len(rows)} of {len(images)} test "
                    "images. Arms are compared on equal seeds and images: train this one again."
                )
    return seeds


def _pair(
    test: pd.DataFrame, classes: Sequence[str], arms: tuple[str, str], n_seeds: int
) -> Paired:
    label = {name: index for index, name in enumerate(classes)}
    tables = [test[test["arm"] == name] for name in arms]
    if unknown := sorted((set(test["class"]) | set(test["predicted"])) - set(classes)):
        raise BadInput(f"predictions hold classes that n_train does not list: {unknown}.")
    predicted = [[label[name] for name in table["predicted"]] for table in tables]
    n_images = len(tables[0]) // n_seeds
    truth = [label[name] for name in tables[0]["class"].iloc[:n_images]]
    return Paired(np.array(predicted).reshape(2, n_seeds, n_images), np.array(truth), len(classes))


def _per_seed_difference(
    baseline: Sequence[Mapping[str, Any]], arm: Sequence[Mapping[str, Any]]
) -> np.ndarray:
    """Measured differences, (seeds, 3 + classes), in the order of `bootstrap`."""
    before, after = (
        np.array(
            [
                [*(one[name] for name in METRICS), *(row["recall"] for row in one["per_class"])]
                for one in found
            ]
        )
        for found in (baseline, arm)
    )
    return after - before


def _interval(found: Difference, column: int) -> dict[str, float]:
    return {
        "mean": float(found.mean[column]),
        "low": float(found.low[column]),
        "high": float(found.high[column]),
    }


def _metrics(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean, standard deviation over seeds (0 with one) and the value of each seed."""
    values = {name: [run[name] for run in runs] for name in METRICS}
    return {
        name: {
            "mean": float(np.mean(each)),
            "std": float(np.std(each, ddof=1)) if len(each) > 1 else 0.0,
            "per_seed": each,
        }
        for name, each in values.items()
    }


def _per_class(
    classes: Sequence[str],
    n_train: Mapping[str, Mapping[str, int]],
    by_arm: Mapping[str, Sequence[Mapping[str, Any]]],
    found: Difference,
) -> list[dict[str, Any]]:
    significant = holm(found.p_value[len(METRICS) :])
    rows = []
    for index, name in enumerate(classes):
        runs = {arm: [run["per_class"][index] for run in by_arm[arm]] for arm in by_arm}
        n_test = next(iter(runs.values()))[0]["support"]
        change = _interval(found, len(METRICS) + index)
        if n_test < 2:  # nothing to resample: the change could be anything
            change |= {"low": -1.0, "high": 1.0}
        rows.append({
            "class": name,
            "n_train": {arm: int(n_train[arm].get(name, 0)) for arm in by_arm},
            "n_test": n_test,
            "scores": {arm: _mean_scores(runs[arm]) for arm in by_arm},
            "recall_change": change,
            "verdict": _class_verdict(change, bool(significant[index]), n_test),
        })  # fmt: skip
    return rows


def _mean_scores(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {
        key: float(np.mean([run[key] for run in runs])) for key in ("precision", "recall", "f1")
    }


def _class_verdict(change: Mapping[str, float], significant: bool, n_test: int) -> str:
    if significant and n_test >= _FEWEST_TO_JUDGE and change["low"] > 0:
        return "helped"
    if significant and n_test >= _FEWEST_TO_JUDGE and change["high"] < 0:
        return "hurt"
    return "unchanged"
