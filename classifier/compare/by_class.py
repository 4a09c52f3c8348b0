"""The classes of a comparison: scores, changes of recall, and which were helped or hurt."""

from collections.abc import Mapping, Sequence
from typing import Any

from classifier.arms import BASELINE
from classifier.compare.bootstrap import holm
from classifier.compare.differences import N_OVERALL, Judged, interval
from classifier.compare.verdict import FEWEST_SEEDS

# Test images of a class: of ten, a few lucky hits that all trainings share look like a proof, and
# thirty such classes would give a false one every fourth time.
_FEWEST_TO_JUDGE = 20


def by_class(
    judged: Judged,
    n_train: Mapping[str, Mapping[str, int]],
    runs: Mapping[str, Sequence[Mapping[str, Any]]],
    arm: str,
    rival: str,
) -> list[dict[str, Any]]:
    """Judge every class.

    Args:
        judged: the test part.
        n_train: training images by arm and class.
        runs: `classifier.compare.evaluation.scores` of each seed, by arm.
        arm: that the verdict is about.
        rival: the best arm without synthetic images.

    Returns:
        `per_class` of the comparison record, in label order.
    """
    supports = [row["support"] for row in runs[BASELINE][0]["per_class"]]
    changes = {
        name: _changes(judged, BASELINE, name, supports) for name in runs if name != BASELINE
    }
    to_rival = changes[arm]
    if rival != BASELINE:
        to_rival = _changes(judged, rival, arm, supports)
    rows = []
    for index, name in enumerate(n_train[BASELINE]):
        scored = {key: [run["per_class"][index] for run in each] for key, each in runs.items()}
        own, other = changes[arm][index], to_rival[index]
        rows.append({
            "class": name,
            "n_train": {key: int(n_train[key].get(name, 0)) for key in runs},
            "n_test": supports[index],
            "scores": {key: _mean_scores(each) for key, each in scored.items()},
            "changes": {key: found[index] for key, found in changes.items()},
            "recall_change": {key: own[key] for key in ("mean", "low", "high")},
            "rival_change": {key: other[key] for key in ("mean", "low", "high")},
            "verdict": _both(own["verdict"], other["verdict"]),
        })  # fmt: skip
    return rows


def _both(to_real: str, to_rival: str) -> str:
    """Join two verdicts: what a correction of the logits does is no help of synthetic images."""
    return "unchanged" if to_real == "helped" and to_rival != "helped" else to_real


def _changes(
    judged: Judged, baseline: str, arm: str, supports: Sequence[int]
) -> list[dict[str, Any]]:
    """Each class's change of recall to the baseline, with its verdict after Holm's correction."""
    found = judged.difference(baseline, arm)
    significant = holm(found.p_value[N_OVERALL:])
    changes = []
    for index, n_test in enumerate(supports):
        change = interval(found, N_OVERALL + index)
        if n_test < 2:  # nothing to resample: the change could be anything
            change |= {"low": -1.0, "high": 1.0}
        enough = n_test >= _FEWEST_TO_JUDGE and len(judged.part.seeds) >= FEWEST_SEEDS
        said = _verdict(change) if enough and significant[index] else "unchanged"
        changes.append({**change, "verdict": said})
    return changes


def _mean_scores(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {key: sum(run[key] for run in runs) / len(runs) for key in ("precision", "recall", "f1")}


def _verdict(change: Mapping[str, float]) -> str:
    if change["low"] > 0:
        return "helped"
    return "hurt" if change["high"] < 0 else "unchanged"
