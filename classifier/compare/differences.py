"""Differences of arms on one part, each paired over seeds and images, with its interval."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from classifier.arms import BASELINE
from classifier.compare.bootstrap import METRICS, Difference, Resampling, judge
from classifier.compare.evaluation import mcnemar
from classifier.compare.predictions import Part

GROUPS = ("many", "medium", "few")
N_OVERALL = len(METRICS) + len(GROUPS)  # columns before those of the classes
_BALANCED = METRICS.index("balanced_accuracy")
_FEWEST_FOR_EXCESS = 5  # validation images of every class, to know how far chance goes
_CLEARLY_WORTH = 1 / 3  # of what the oracle gains, by which its interval has to stay above zero
_SUSPICIOUS = 3.0  # standard errors by which an arm may gain more on test than on val


class Judged:
    """One part with the draws that all its differences share.

    Args:
        part: the predictions of all arms.
        classes: in label order.
        groups: of classes, by the names of `GROUPS`.
    """

    def __init__(
        self, part: Part, classes: Sequence[str], groups: Mapping[str, Sequence[str]]
    ) -> None:
        label = {name: index for index, name in enumerate(classes)}
        members = [[label[name] for name in group] for group in groups.values()]
        resampling = Resampling(part.truth, len(classes), len(part.seeds), members)
        self.part, self._resampling = part, resampling
        self._measured = {arm: resampling.measured(each) for arm, each in part.predicted.items()}
        self._scores = {arm: resampling.scores(each) for arm, each in part.predicted.items()}

    def score(self, arm: str) -> float:
        """Return the balanced accuracy of an arm, the mean over seeds."""
        return float(self._measured[arm][:, _BALANCED].mean())

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
        return judge(draws, per_seed, self._resampling.most_freedom())


def differences(
    judged: Judged, chosen_on: Judged | None, arms: Sequence[str], rival: str
) -> list[dict[str, Any]]:
    """Compare all arms with `real`, and with the best that needs no synthetic images.

    Args:
        judged: the test part.
        chosen_on: the validation part, where there is one.
        arms: in the order of the record.
        rival: the latter; `real` if that is the only one.

    Returns:
        As in the comparison record.
    """
    pairs = [(str(BASELINE), arm) for arm in arms if arm != BASELINE]
    if rival != BASELINE:
        pairs += [(rival, arm) for arm in arms if arm not in (BASELINE, rival)]
    found = {pair: judged.difference(*pair) for pair in pairs}
    worth = found.get((BASELINE, "oracle"))
    return [
        {
            "baseline": baseline, "arm": arm,
            **_intervals(difference),
            "mcnemar": _mcnemar(judged.part, baseline, arm),
            "recovered": _recovered(difference, worth)
            if worth and baseline == BASELINE and arm != "oracle" else None,
            "excess": chosen_on and _excess(judged, chosen_on, baseline, arm),
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


def _intervals(found: Difference) -> dict[str, dict[str, float]]:
    return {name: interval(found, column) for column, name in enumerate((*METRICS, *GROUPS))}


def _mcnemar(part: Part, baseline: str, arm: str) -> list[dict[str, Any]]:
    hits = zip(part.seeds, part.hits(baseline), part.hits(arm), strict=True)
    return [{"seed": seed, **mcnemar(before, after)} for seed, before, after in hits]


def _recovered(gain: Difference, worth: Difference) -> dict[str, float] | None:
    """Which share of what more real images are worth an arm gets; None without a clear worth.

    A ratio to what may be next to nothing has no interval.
    """
    if worth.low[_BALANCED] <= _CLEARLY_WORTH * max(worth.mean[_BALANCED], 0):
        return None
    ratios = gain.draws[:, _BALANCED] / worth.draws[:, _BALANCED].clip(1e-9)
    low, high = np.quantile(ratios, [0.025, 0.975])
    mean = gain.mean[_BALANCED] / worth.mean[_BALANCED]
    return {"mean": float(mean), "low": float(low), "high": float(high)}


def _excess(judged: Judged, chosen_on: Judged, baseline: str, arm: str) -> dict[str, Any] | None:
    """How much more an arm gains on test than on val; far more means that it has seen test.

    Both parts are unseen and of the same kind, so that the two gains differ by chance alone. None
    where val has too few images to tell how far that goes.
    """
    support = np.bincount(chosen_on.part.truth)
    if support[support > 0].min() < _FEWEST_FOR_EXCESS:
        return None
    parts = (judged, chosen_on)
    gains = [part.per_seed(baseline, arm)[:, _BALANCED].mean() for part in parts]
    error = np.hypot(*(part.draws(baseline, arm)[:, _BALANCED].std() for part in parts))
    excess = float(gains[0] - gains[1])
    return {
        "mean": excess, "standard_error": float(error),
        "suspicious": bool(excess > _SUSPICIOUS * error and excess > 0),
    }  # fmt: skip
