"""Differences of arms on one split, each paired over seeds and images, with its interval."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from classifier.arms.arm import BASELINE
from classifier.compare.bootstrap import METRICS, Difference, Resampling, estimate
from classifier.compare.predictions import PairedPredictions
from classifier.compare.scores import mcnemar

GROUPS = ("many", "medium", "few")
N_OVERALL = len(METRICS) + len(GROUPS)  # columns before those of the classes
BALANCED = METRICS.index("balanced_accuracy")
_FEWEST_FOR_EXCESS = 5  # validation images of every class, to estimate chance differences
_CLEARLY_WORTH = 1 / 3  # of a gain that others are measured by: its interval begins above that
_SUSPICIOUS = 3.0  # standard errors by which an arm may gain more on test than on val


class PairedScores:
    """The scores of all arms on one split, with the resampling that all differences share.

    Args:
        predictions: of all arms.
        classes: in label order.
        groups: of classes, by the names of `GROUPS`.
    """

    def __init__(
        self,
        predictions: PairedPredictions,
        classes: Sequence[str],
        groups: Mapping[str, Sequence[str]],
    ) -> None:
        label = {name: index for index, name in enumerate(classes)}
        members = [[label[name] for name in group] for group in groups.values()]
        resampling = Resampling(predictions.truth, len(classes), len(predictions.seeds), members)
        self.predictions, self._resampling = predictions, resampling
        self._measured = {
            arm: resampling.measured(each) for arm, each in predictions.predicted.items()
        }
        self._scores = {arm: resampling.scores(each) for arm, each in predictions.predicted.items()}

    def score(self, arm: str) -> float:
        """Return the balanced accuracy of an arm, the mean over seeds."""
        return float(self._measured[arm][:, BALANCED].mean())

    def per_seed_score(self, arm: str) -> list[float]:
        """Return the balanced accuracy of an arm with each seed."""
        scores: list[float] = self._measured[arm][:, BALANCED].tolist()
        return scores

    def level(self, arm: str) -> dict[str, float]:
        """Return the balanced accuracy of an arm, mean over seeds, with its interval in [0, 1]."""
        column = [BALANCED]
        scores, freedom = self._scores[arm][..., column], self._resampling.most_freedom()[column]
        draws = self._resampling.draws(np.zeros_like(scores), scores)
        found = estimate(draws, self._measured[arm][:, column], freedom)
        return {key: max(0.0, value) for key, value in interval(found, 0).items()}

    def groups(self, arm: str) -> np.ndarray:
        """Return the (seeds, groups) mean recall of an arm."""
        return self._measured[arm][:, len(METRICS) : N_OVERALL]

    def per_seed(self, baseline: str, arm: str) -> np.ndarray:
        """Return the (seeds, columns) measured differences."""
        difference: np.ndarray = self._measured[arm] - self._measured[baseline]
        return difference

    def draws(self, baseline: str, arm: str) -> np.ndarray:
        """Return the (draws, columns) resampled differences."""
        return self._resampling.draws(self._scores[baseline], self._scores[arm])

    def difference(self, baseline: str, arm: str) -> Difference:
        """Return the intervals of all columns."""
        draws, per_seed = self.draws(baseline, arm), self.per_seed(baseline, arm)
        return estimate(draws, per_seed, self._resampling.most_freedom())


def differences(
    test: PairedScores, val: PairedScores | None, arms: Sequence[str], rival: str
) -> list[dict[str, Any]]:
    """Compare all arms with `real`, and with the best arm without synthetic images.

    Args:
        test: scores on test.
        val: scores on val; None: val has no images.
        arms: in the order of the record.
        rival: the best arm without synthetic images; `real` if it is the only one.

    Returns:
        `differences` of the comparison record.
    """
    pairs = [(str(BASELINE), arm) for arm in arms if arm != BASELINE]
    if rival != BASELINE:
        pairs += [(rival, arm) for arm in arms if arm not in (BASELINE, rival)]
    found = {pair: test.difference(*pair) for pair in pairs}
    worth = found.get((BASELINE, "oracle"))
    return [
        {
            "baseline": baseline, "arm": arm,
            **_intervals(difference),
            "mcnemar": _mcnemar(test.predictions, baseline, arm),
            "recovered": share_of(difference, worth)
            if worth and baseline == BASELINE and arm != "oracle" else None,
            "excess": val and _excess(test, val, baseline, arm),
        }
        for (baseline, arm), difference in found.items()
    ]  # fmt: skip


def interval(found: Difference, column: int) -> dict[str, float]:
    """Return one column as a record: mean, low, high."""
    return {
        "mean": float(found.mean[column]),
        "low": float(found.low[column]),
        "high": float(found.high[column]),
    }


def share_of(gain: Difference, worth: Difference) -> dict[str, float] | None:
    """Return one gain in balanced accuracy as a share of another; None if that one is not clear.

    The ratio to a gain that may be close to zero has no interval.

    Returns:
        mean, low, high.
    """
    if worth.low[BALANCED] <= _CLEARLY_WORTH * max(worth.mean[BALANCED], 0):
        return None
    ratios = gain.draws[:, BALANCED] / worth.draws[:, BALANCED].clip(1e-9)
    low, high = np.quantile(ratios, [0.025, 0.975])
    mean = gain.mean[BALANCED] / worth.mean[BALANCED]
    return {"mean": float(mean), "low": float(low), "high": float(high)}


def _intervals(found: Difference) -> dict[str, dict[str, float]]:
    return {name: interval(found, column) for column, name in enumerate((*METRICS, *GROUPS))}


def _mcnemar(predictions: PairedPredictions, baseline: str, arm: str) -> list[dict[str, Any]]:
    hits = zip(predictions.seeds, predictions.hits(baseline), predictions.hits(arm), strict=True)
    return [{"seed": seed, **mcnemar(before, after)} for seed, before, after in hits]


def _excess(
    test: PairedScores, val: PairedScores, baseline: str, arm: str
) -> dict[str, Any] | None:
    """Return how much more an arm gains on test than on val; a large excess is a sign of leakage.

    Both splits are unseen and of the same kind, so the two gains differ by chance alone. None
    where val has too few images to estimate the size of chance differences.
    """
    support = np.bincount(val.predictions.truth)
    if support[support > 0].min() < _FEWEST_FOR_EXCESS:
        return None
    splits = (test, val)
    gains = [each.per_seed(baseline, arm)[:, BALANCED].mean() for each in splits]
    error = np.hypot(*(each.draws(baseline, arm)[:, BALANCED].std() for each in splits))
    excess = float(gains[0] - gains[1])
    return {
        "mean": excess, "standard_error": float(error),
        "suspicious": bool(excess > _SUSPICIOUS * error and excess > 0),
    }  # fmt: skip
