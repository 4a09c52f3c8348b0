"""The classes of a comparison: scores, changes of recall, and which were helped or hurt."""

from collections.abc import Mapping, Sequence
from typing import Any

from classifier.arms.arm import BASELINE
from classifier.compare.bootstrap import holm
from classifier.compare.differences import N_OVERALL, PairedScores, interval
from classifier.compare.verdict import FEWEST_SEEDS

# Test images of a class. With ten, a few lucky hits that all trials share look like a proof, and of
# thirty such classes one would falsely be called changed in every fourth comparison.
_FEWEST_FOR_A_CLASS = 20


def by_class(
    test: PairedScores,
    n_train: Mapping[str, Mapping[str, int]],
    runs: Mapping[str, Sequence[Mapping[str, Any]]],
    arm: str,
    rival: str,
) -> list[dict[str, Any]]:
    """Compare every class.

    Args:
        test: scores on test.
        n_train: training images by arm and class.
        runs: `classifier.compare.scores.scores` of each seed, by arm.
        arm: that the verdict is about.
        rival: the best arm without synthetic images.

    Returns:
        `per_class` of the comparison record, in label order.
    """
    supports = [row["support"] for row in runs[BASELINE][0]["per_class"]]
    changes = {name: _changes(test, BASELINE, name, supports) for name in runs if name != BASELINE}
    to_rival = changes[arm] if rival == BASELINE else _changes(test, rival, arm, supports)
    return [
        {
            "class": name,
            "n_train": {key: int(n_train[key].get(name, 0)) for key in runs},
            "n_test": supports[index],
            "scores": {key: _mean_scores(each, index) for key, each in runs.items()},
            "changes": {key: found[index] for key, found in changes.items()},
            "recall_change": _interval(changes[arm][index]),
            "rival_change": _interval(to_rival[index]),
            "verdict": _both(changes[arm][index]["verdict"], to_rival[index]["verdict"]),
        }
        for index, name in enumerate(n_train[BASELINE])
    ]


def _both(to_real: str, to_rival: str) -> str:
    """Join two verdicts: a class is helped only if it also gains on the best arm without them."""
    return "unchanged" if to_real == "helped" and to_rival != "helped" else to_real


def _changes(
    test: PairedScores, baseline: str, arm: str, supports: Sequence[int]
) -> list[dict[str, Any]]:
    """Return each class's change of recall, with its verdict after Holm's correction."""
    found = test.difference(baseline, arm)
    significant = holm(found.p_value[N_OVERALL:])
    changes = []
    for index, n_test in enumerate(supports):
        change = interval(found, N_OVERALL + index)
        if n_test < 2:  # nothing to resample: the change could be anything
            change |= {"low": -1.0, "high": 1.0}
        enough = n_test >= _FEWEST_FOR_A_CLASS and len(test.predictions.seeds) >= FEWEST_SEEDS
        said = _verdict(change) if enough and significant[index] else "unchanged"
        changes.append({**change, "verdict": said})
    return changes


def _mean_scores(runs: Sequence[Mapping[str, Any]], index: int) -> dict[str, float]:
    """Return the mean scores of one class over seeds."""
    rows = [run["per_class"][index] for run in runs]
    return {key: sum(row[key] for row in rows) / len(rows) for key in ("precision", "recall", "f1")}


def _interval(change: Mapping[str, Any]) -> dict[str, Any]:
    return {key: change[key] for key in ("mean", "low", "high")}


def _verdict(change: Mapping[str, float]) -> str:
    if change["low"] > 0:
        return "helped"
    return "hurt" if change["high"] < 0 else "unchanged"
