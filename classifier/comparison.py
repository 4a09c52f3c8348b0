"""Did the synthetic images help? Paired arms on real test images, with intervals.

Every arm trains with the same seeds and is judged on the same real images, so every difference is
paired in both. How its interval is made: see `classifier.bootstrap`. Which arm speaks for the
synthetic images, and which for what can be had without them, is chosen on val, not on test.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from classifier.arms import ARMS, BASELINE, generative, rivals
from classifier.bootstrap import METRICS, Difference, Resampling, holm, judge
from classifier.evaluation import calibration_error, mcnemar, scores
from classifier.part import Part, part_of
from classifier.verdict import Claim, class_sentence, verdict
from terrabalance.errors import BadInput

GROUPS = ("many", "medium", "few")
# Test images of a class: of ten, a few lucky hits that all trainings share look like a proof, and
# thirty such classes would give a false one every fourth time.
_FEWEST_TO_JUDGE = 20
_FEWEST_FOR_EXCESS = 5  # validation images of every class, to know how far chance goes
_SUSPICIOUS = 3.0  # standard errors by which an arm may gain more on test than on val


def compare(
    predictions: pd.DataFrame,
    n_train: Mapping[str, Mapping[str, int]],
    resolution: str,
    training: Mapping[str, Any],
    test_kind: str = "real",
    tried: Sequence[Mapping[str, Any]] = (),
    shares: Mapping[str, float] | None = None,
    n_openings: int = 1,
) -> dict[str, Any]:
    """Judge every arm against `real`, and those with synthetic images against the best without.

    Args:
        predictions: columns arm, seed, split, path, class, predicted, confidence. Rows of split
            test judge; rows of split val choose the arms that the verdict is about.
        n_train: training images by arm and class; the names of `real` are the classes.
        resolution: size that all images were reduced to, in words.
        training: model, steps, batch size...; kept in the record.
        test_kind: what the test images are, in words: `real`, or `drawn`.
        tried: what val decided before, see `classifier.choice`; kept in the record.
        shares: of the synthetic images, by arm, as val chose them; None: all. 0 is none.
        n_openings: comparisons that have read these test images, this one included.

    Returns:
        The comparison record; fractions in [0, 1]. `give_away` is left to who has the images.
        Intervals are of 95 %, each class's too; the verdicts of the classes are corrected for their
        number (Holm), and `helped` also against the best arm without synthetic images. A class with
        fewer than two test images has the interval -1 to 1, one with fewer than twenty is always
        `unchanged`, which means: no change was shown.

    Raises:
        BadInput: no test predictions, or arms that differ in seeds or in images.
    """
    arms, classes = list(n_train), list(n_train[BASELINE])
    test = part_of(predictions, "test", arms, classes)
    if test is None:
        raise BadInput("there are no predictions on split test. Train the arms first.")
    val = part_of(predictions, "val", arms, classes)
    groups = thirds(n_train[BASELINE])
    judged = _Judged(test, classes, groups)
    chosen_on = _Judged(val, classes, groups) if val else None
    val_scores = {arm: chosen_on.score(arm) for arm in arms} if chosen_on else None
    shares = dict(shares or {})
    used = [arm for arm in arms if shares.get(arm, 1.0)]
    headline = _headline(
        used if generative(used) else arms,
        val_scores or {arm: judged.score(arm) for arm in arms},
        val is None,
    )
    differences = _differences(judged, chosen_on, arms, headline)
    by_arm = {arm: _scores(test, arm, classes) for arm in arms}
    per_class = _per_class(judged, n_train, by_arm, headline)
    said = verdict(_claim(differences, headline, test, test_kind, per_class, val_scores, shares))
    return {
        "classes": classes, "arms": arms, "seeds": test.seeds, "n_test": len(test.truth),
        "test_kind": test_kind, "resolution": resolution, "headline": headline, "groups": groups,
        "metrics": {arm: _metrics(runs, test, judged, arm) for arm, runs in by_arm.items()},
        "val": val_scores, "tried": list(tried), "shares": shares, "n_openings": n_openings,
        "differences": differences,
        "per_class": per_class,
        "confusion": {
            name: np.sum([run["confusion"] for run in runs], axis=0).tolist()
            for name, runs in by_arm.items()
        },
        "verdict": {
            **said, "by_class": class_sentence(per_class, BASELINE, headline["arm"]),
        },
        "training": dict(training), "give_away": None,
    }  # fmt: skip


def thirds(counts: Mapping[str, int]) -> dict[str, list[str]]:
    """Divide the classes into many, medium and few by training images, as even as they allow."""
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    parts = np.array_split(np.array(ordered, object), len(GROUPS))
    return {group: list(part) for group, part in zip(GROUPS, parts, strict=True)}


def difference_of(record: Mapping[str, Any], arm: str, baseline: str) -> dict[str, Any] | None:
    """Find the difference of two arms in a comparison record."""
    found = (d for d in record["differences"] if (d["arm"], d["baseline"]) == (arm, baseline))
    return next(found, None)


class _Judged:
    """One part with the draws that all its differences share."""

    def __init__(
        self, part: Part, classes: Sequence[str], groups: Mapping[str, Sequence[str]]
    ) -> None:
        label = {name: index for index, name in enumerate(classes)}
        members = [[label[name] for name in group] for group in groups.values()]
        self.part = part
        self._resampling = Resampling(part.truth, len(classes), len(part.seeds), members)
        self._measured = {a: self._resampling.measured(p) for a, p in part.predicted.items()}
        self._scores = {a: self._resampling.scores(p) for a, p in part.predicted.items()}

    def score(self, arm: str) -> float:
        """Balanced accuracy, mean over seeds."""
        return float(self._measured[arm][:, METRICS.index("balanced_accuracy")].mean())

    def groups(self, arm: str) -> np.ndarray:
        """(seeds, groups) mean recall."""
        return self._measured[arm][:, len(METRICS) : len(METRICS) + len(GROUPS)]

    def per_seed(self, baseline: str, arm: str) -> np.ndarray:
        """(seeds, columns) measured differences."""
        difference: np.ndarray = self._measured[arm] - self._measured[baseline]
        return difference

    def draws(self, baseline: str, arm: str) -> np.ndarray:
        """(draws, columns) resampled differences."""
        return self._resampling.draws(self._scores[baseline], self._scores[arm])

    def difference(self, baseline: str, arm: str) -> Difference:
        """Intervals of all columns."""
        return judge(self.draws(baseline, arm), self.per_seed(baseline, arm))


def _headline(arms: Sequence[str], score: Mapping[str, float], without_val: bool) -> dict[str, str]:
    """Say which arm the verdict is about, and which is the best without synthetic images.

    An arm for which val chose none of the synthetic images speaks for them only if all are so.

    Without val, the score is of test: then the first arm with synthetic images is judged, and the
    rival is the best on test, so that luck can only speak against the synthetic images.
    """
    made, plain = generative(arms), rivals(arms)
    rival = max(plain, key=lambda name: score[name])
    candidates = made or [name for name in plain if name != BASELINE] or list(arms[1:])
    arm = candidates[0] if without_val else max(candidates, key=lambda name: score[name])
    return {"arm": arm, "baseline": BASELINE, "rival": rival if made else BASELINE}


def _differences(
    judged: _Judged, chosen_on: _Judged | None, arms: Sequence[str], headline: Mapping[str, str]
) -> list[dict[str, Any]]:
    rival = headline["rival"]
    pairs = [(str(BASELINE), arm) for arm in arms if arm != BASELINE]
    if rival != BASELINE:
        pairs += [(rival, arm) for arm in generative(arms)]
    return [
        {
            "baseline": baseline, "arm": arm,
            **_intervals(judged.difference(baseline, arm)),
            "mcnemar": [
                {"seed": seed, **mcnemar(before, after)}
                for seed, before, after in zip(
                    judged.part.seeds, judged.part.hits(baseline), judged.part.hits(arm),
                    strict=True,
                )
            ],
            "recovered": _recovered(judged, baseline, arm, arms),
            "excess": chosen_on and _excess(judged, chosen_on, baseline, arm),
        }
        for baseline, arm in pairs
    ]  # fmt: skip


def _intervals(found: Difference) -> dict[str, dict[str, float]]:
    names = (*METRICS, *GROUPS)
    return {name: _interval(found, column) for column, name in enumerate(names)}


def _interval(found: Difference, column: int) -> dict[str, float]:
    return {
        "mean": float(found.mean[column]),
        "low": float(found.low[column]),
        "high": float(found.high[column]),
    }


def _recovered(
    judged: _Judged, baseline: str, arm: str, arms: Sequence[str]
) -> dict[str, float] | None:
    """Which share of what more real images are worth an arm gets; None without a clear worth."""
    if "oracle" not in arms or arm == "oracle" or baseline != BASELINE:
        return None
    column = METRICS.index("balanced_accuracy")
    worth = judged.difference(baseline, "oracle")
    if worth.low[column] <= 0:
        return None
    gain = judged.draws(baseline, arm)[:, column]
    ratios = gain / np.maximum(judged.draws(baseline, "oracle")[:, column], 1e-9)
    low, high = np.quantile(ratios, [0.025, 0.975])
    mean = judged.per_seed(baseline, arm)[:, column].mean() / worth.mean[column]
    return {"mean": float(mean), "low": float(low), "high": float(high)}


def _excess(judged: _Judged, chosen_on: _Judged, baseline: str, arm: str) -> dict[str, Any] | None:
    """How much more an arm gains on test than on val; far more means that it has seen test.

    Both parts are unseen and of the same kind, so that the two gains differ by chance alone. None
    where val has too few images to tell how far that goes.
    """
    support = np.bincount(chosen_on.part.truth)
    if support[support > 0].min() < _FEWEST_FOR_EXCESS:
        return None
    column = METRICS.index("balanced_accuracy")
    parts = (judged, chosen_on)
    gains = [part.per_seed(baseline, arm)[:, column].mean() for part in parts]
    error = np.hypot(*(part.draws(baseline, arm)[:, column].std() for part in parts))
    excess = float(gains[0] - gains[1])
    return {
        "mean": excess, "standard_error": float(error),
        "suspicious": bool(excess > _SUSPICIOUS * error and excess > 0),
    }  # fmt: skip


def _scores(part: Part, arm: str, classes: Sequence[str]) -> list[dict[str, Any]]:
    names = np.array(classes, object)
    truth = names[part.truth]
    frames = (
        pd.DataFrame({"class": truth, "predicted": names[found]}) for found in part.predicted[arm]
    )
    return [scores(frame, classes) for frame in frames]


def _metrics(
    runs: Sequence[Mapping[str, Any]], part: Part, judged: _Judged, arm: str
) -> dict[str, Any]:
    """Mean, standard deviation over seeds (0 with one) and the value of each seed."""
    values = {name: [run[name] for run in runs] for name in METRICS}
    values |= dict(zip(GROUPS, judged.groups(arm).T.tolist(), strict=True))
    pairs = zip(part.confidence[arm], part.hits(arm), strict=True)
    values["calibration_error"] = [calibration_error(*pair) for pair in pairs]
    return {
        name: {
            "mean": float(np.mean(each)),
            "std": float(np.std(each, ddof=1)) if len(each) > 1 else 0.0,
            "per_seed": each,
        }
        for name, each in values.items()
    }


def _per_class(
    judged: _Judged,
    n_train: Mapping[str, Mapping[str, int]],
    by_arm: Mapping[str, Sequence[Mapping[str, Any]]],
    headline: Mapping[str, str],
) -> list[dict[str, Any]]:
    supports = [row["support"] for row in by_arm[BASELINE][0]["per_class"]]
    changes = {
        arm: _class_changes(judged, BASELINE, arm, supports) for arm in by_arm if arm != BASELINE
    }
    to_rival = changes[headline["arm"]]
    if headline["rival"] != BASELINE:
        to_rival = _class_changes(judged, headline["rival"], headline["arm"], supports)
    rows = []
    for index, name in enumerate(n_train[BASELINE]):
        runs = {arm: [run["per_class"][index] for run in by_arm[arm]] for arm in by_arm}
        own, rival = changes[headline["arm"]][index], to_rival[index]
        rows.append({
            "class": name,
            "n_train": {arm: int(n_train[arm].get(name, 0)) for arm in by_arm},
            "n_test": next(iter(runs.values()))[0]["support"],
            "scores": {arm: _mean_scores(runs[arm]) for arm in by_arm},
            "changes": {arm: found[index] for arm, found in changes.items()},
            "recall_change": {key: own[key] for key in ("mean", "low", "high")},
            "rival_change": {key: rival[key] for key in ("mean", "low", "high")},
            "verdict": _both(own["verdict"], rival["verdict"]),
        })  # fmt: skip
    return rows


def _both(to_real: str, to_rival: str) -> str:
    """Join two verdicts: what a correction of the logits does is no help of synthetic images."""
    return "unchanged" if to_real == "helped" and to_rival != "helped" else to_real


def _class_changes(
    judged: _Judged, baseline: str, arm: str, supports: Sequence[int]
) -> list[dict[str, Any]]:
    """Each class's change of recall to the baseline, with its verdict after Holm's correction."""
    found, first = judged.difference(baseline, arm), len(METRICS) + len(GROUPS)
    significant = holm(found.p_value[first:])
    changes = []
    for index, n_test in enumerate(supports):
        change = _interval(found, first + index)
        if n_test < 2:  # nothing to resample: the change could be anything
            change |= {"low": -1.0, "high": 1.0}
        said = _class_verdict(change, bool(significant[index]), n_test)
        changes.append({**change, "verdict": said})
    return changes


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


def _claim(
    differences: Sequence[Mapping[str, Any]], headline: Mapping[str, str], test: Part, kind: str,
    per_class: Sequence[Mapping[str, Any]], val_scores: Mapping[str, float] | None,
    shares: Mapping[str, float],
) -> Claim:  # fmt: skip
    found = {d["baseline"]: d for d in differences if d["arm"] == headline["arm"]}
    to_real, rival = found[BASELINE], found.get(headline["rival"])
    excess = to_real["excess"]
    return Claim(
        arm=headline["arm"],
        to_real=to_real["balanced_accuracy"],
        rival=headline["rival"],
        to_rival=(rival or to_real)["balanced_accuracy"],
        n_seeds=len(test.seeds),
        n_test=len(test.truth),
        fewest=min(row["n_test"] for row in per_class if row["n_test"]),
        kind=kind,
        excess=excess["mean"] if excess and excess["suspicious"] else None,
        generative=ARMS[headline["arm"]].generative,
        share=shares.get(headline["arm"], 1.0),
        suspects=tuple(
            d["arm"]
            for d in differences
            if d["baseline"] == BASELINE and d["excess"] and d["excess"]["suspicious"]
        ),
        val_gap=val_scores[headline["arm"]] - val_scores[headline["rival"]] if val_scores else None,
    )
