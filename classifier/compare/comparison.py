"""The comparison record: did the synthetic images help?

Every arm trains with the same seeds and is evaluated on the same real images, so every difference
is paired in both; `classifier.compare.bootstrap` makes the intervals. The arm that stands for the
synthetic images, and the best arm without them, are chosen on val, not on test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from classifier.arms.arm import BASELINE
from classifier.arms.registry import arm_of, generative, rivals
from classifier.compare.bootstrap import METRICS
from classifier.compare.by_class import by_class
from classifier.compare.differences import GROUPS, PairedScores, differences
from classifier.compare.exchange import exchange
from classifier.compare.predictions import PairedPredictions, paired_predictions
from classifier.compare.recommendation import Measured, recommend
from classifier.compare.scores import calibration_error, scores
from classifier.compare.verdict import Claim, class_sentence, no_images, verdict
from terrabalance.errors import BadInput


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
    """Compare every arm with `real`, and those with synthetic images with the best without.

    Args:
        predictions: columns arm, seed, split, path, class, predicted, confidence. Rows of split
            test are compared; rows of split val choose the arms that the verdict is about.
        n_train: training images by arm and class; the names of `real` are the classes.
        resolution: size that all images were reduced to, in words.
        training: model, steps, batch size...; kept in the record.
        test_kind: of the test images: `real` or `drawn`.
        tried: what was chosen on val, see `classifier.study.selection`; kept in the record.
        shares: of the synthetic images, by arm, as chosen on val; None: all. 0 is none.
        n_openings: comparisons that have read these test images, this one included.

    Returns:
        The comparison record; fractions in [0, 1]. `give_away` is None, to be filled by a caller
        that has the images. Intervals are of 95 %, each class's too; the verdicts of the classes
        are corrected for their number (Holm), and `helped` also against the best arm without
        synthetic images. A class with fewer than two test images has the interval -1 to 1. One with
        fewer than twenty, or with fewer than three seeds, is always `unchanged`, which means: no
        change was shown.

    Raises:
        BadInput: no test predictions, or arms that differ in seeds or in images.
    """
    arms, classes, shares = list(n_train), list(n_train[BASELINE]), dict(shares or {})
    groups = thirds(n_train[BASELINE])
    if (test := _scored(predictions, "test", arms, classes, groups)) is None:
        raise BadInput("there are no predictions on split test. Train the arms first.")
    val = _scored(predictions, "val", arms, classes, groups)
    choice = _Choice(arms, shares, _balanced(val or test, arms), on_val=val is not None)
    headline = _headline(choice)
    found = differences(test, val, arms, headline["rival"])
    runs = {arm: _scores(test.predictions, arm, classes) for arm in arms}
    per_class = by_class(test, n_train, runs, headline["arm"], headline["rival"])
    claim = _claim(found, headline, test.predictions, test_kind, per_class, choice)
    levels = {arm: test.level(arm) for arm in arms}
    return {
        "classes": classes, "arms": arms, "seeds": test.predictions.seeds,
        "n_test": len(test.predictions.truth), "test_kind": test_kind, "resolution": resolution,
        "headline": headline, "groups": groups,
        "metrics": {arm: _metrics(each, test.groups(arm)) for arm, each in runs.items()},
        "levels": levels, "val": choice.score if val else None,
        "val_per_seed": {arm: val.per_seed_score(arm) for arm in arms} if val else None,
        "recommended": recommend(arms, _measured(choice, levels, claim, found, tried)),
        "exchange": exchange(test, n_train, shares), "tried": list(tried), "shares": shares,
        "n_openings": n_openings, "differences": found, "per_class": per_class,
        "confusion": {arm: _confusion(each) for arm, each in runs.items()},
        "verdict": _verdict(claim, choice, tried, per_class), "training": dict(training),
        "give_away": None,
    }  # fmt: skip


@dataclass(frozen=True)
class _Choice:
    """What the arms of the verdict are chosen by.

    Attributes:
        arms: all of the comparison.
        shares: of the synthetic images, by arm; 1 where it is not there.
        score: balanced accuracy by arm, on val if there is one.
        on_val: whether it is of val.
    """

    arms: Sequence[str]
    shares: Mapping[str, float]
    score: dict[str, float]
    on_val: bool

    @property
    def used(self) -> list[str]:
        """The arms for which val chose some of the synthetic images, or that use none at all."""
        return [arm for arm in self.arms if self.shares.get(arm, 1.0)]

    @property
    def none_used(self) -> bool:
        """Whether val chose none of the synthetic images in any arm that could use them."""
        return bool(generative(self.arms)) and not generative(self.used)

    def best(self, arms: Sequence[str]) -> str:
        """Return the arm of the highest score, the first of equals."""
        return max(arms, key=lambda arm: self.score[arm])


def _scored(
    predictions: pd.DataFrame, split: str, arms: Sequence[str], classes: Sequence[str],
    groups: Mapping[str, Sequence[str]],
) -> PairedScores | None:  # fmt: skip
    paired = paired_predictions(predictions, split, arms, classes)
    return PairedScores(paired, classes, groups) if paired else None


def _balanced(scored: PairedScores, arms: Sequence[str]) -> dict[str, float]:
    return {arm: scored.score(arm) for arm in arms}


def _confusion(runs: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Return the confusion matrix, summed over seeds."""
    total: list[list[int]] = np.sum([run["confusion"] for run in runs], axis=0).tolist()
    return total


def thirds(counts: Mapping[str, int]) -> dict[str, list[str]]:
    """Divide the classes by training images into many, medium and few, as evenly as possible."""
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    parts = np.array_split(np.array(ordered, object), len(GROUPS))
    return {group: list(part) for group, part in zip(GROUPS, parts, strict=True)}


def difference_of(record: Mapping[str, Any], arm: str, baseline: str) -> dict[str, Any] | None:
    """Return the difference of two arms in a comparison record; None if it has none."""
    found = (d for d in record["differences"] if (d["arm"], d["baseline"]) == (arm, baseline))
    return next(found, None)


def _headline(choice: _Choice) -> dict[str, str]:
    """Return the arm that the verdict is about, and the best arm without synthetic images.

    An arm for which val chose none of the synthetic images does not stand for them; if that holds
    for all, the verdict is about the best arm without.

    Without val, the score is of test: then the verdict is about the first arm with synthetic
    images, and the rival is the best on test, so that luck can only count against the synthetic
    images.
    """
    arms = choice.used if len(choice.used) > 1 else choice.arms
    made, plain = generative(arms), rivals(arms)
    candidates = made or [name for name in plain if name != BASELINE]
    candidates = candidates or [name for name in arms if name != BASELINE]
    arm = choice.best(candidates) if choice.on_val else candidates[0]
    return {"arm": arm, "baseline": BASELINE, "rival": choice.best(plain) if made else BASELINE}


def _scores(part: PairedPredictions, arm: str, classes: Sequence[str]) -> list[dict[str, Any]]:
    names, runs = np.array(classes, object), []
    for found, *sure in zip(part.predicted[arm], part.confidence[arm], part.hits(arm), strict=True):
        frame = pd.DataFrame({"class": names[part.truth], "predicted": names[found]})
        runs.append({**scores(frame, classes), "calibration_error": calibration_error(*sure)})
    return runs


def _metrics(runs: Sequence[Mapping[str, Any]], groups: np.ndarray) -> dict[str, Any]:
    """Return mean, standard deviation over seeds (0 with one) and the value of each seed."""
    values = {name: [run[name] for run in runs] for name in (*METRICS, "calibration_error")}
    values |= dict(zip(GROUPS, groups.T.tolist(), strict=True))
    return {
        name: {
            "mean": float(np.mean(each)),
            "std": float(np.std(each, ddof=1)) if len(each) > 1 else 0.0,
            "per_seed": each,
        }
        for name, each in values.items()
    }


def _claim(
    differences: Sequence[Mapping[str, Any]], headline: Mapping[str, str],
    test: PairedPredictions, kind: str, per_class: Sequence[Mapping[str, Any]], choice: _Choice,
) -> Claim:  # fmt: skip
    arm, rival = headline["arm"], headline["rival"]
    to = {found["baseline"]: found for found in differences if found["arm"] == arm}
    return Claim(
        arm=arm,
        to_real=to[BASELINE]["balanced_accuracy"],
        rival=rival,
        to_rival=to[rival]["balanced_accuracy"],
        n_seeds=len(test.seeds),
        n_test=len(test.truth),
        fewest=min(row["n_test"] for row in per_class if row["n_test"]),
        kind=kind,
        excess=to[BASELINE]["excess"]["mean"] if _suspicious(to[BASELINE]) else None,
        generative=arm_of(arm).generative,
        suspects=tuple(
            found["arm"]
            for found in differences
            if found["baseline"] == BASELINE and _suspicious(found)
        ),
        val_gap=choice.score[arm] - choice.score[rival] if choice.on_val else None,
    )


def _verdict(
    claim: Claim, choice: _Choice, tried: Sequence[Mapping[str, Any]],
    per_class: Sequence[Mapping[str, Any]],
) -> dict[str, str]:  # fmt: skip
    """Return outcome and sentences, those of the classes included."""
    if choice.none_used:
        said = no_images(_ways_tried(tried), choice.best(rivals(choice.arms)))
    else:
        said = verdict(claim)
    return {**said, "by_class": class_sentence(per_class, BASELINE, claim.arm)}


def _measured(
    choice: _Choice, levels: Mapping[str, Mapping[str, float]], claim: Claim,
    differences: Sequence[Mapping[str, Any]], tried: Sequence[Mapping[str, Any]],
) -> Measured:  # fmt: skip
    gains = {
        found["arm"]: found["balanced_accuracy"]
        for found in differences
        if found["baseline"] == BASELINE
    }
    val = choice.score if choice.on_val else None
    return Measured(val, levels, gains, tried, claim.n_seeds, claim.fewest)


def _suspicious(difference: Mapping[str, Any]) -> bool:
    """Return whether an arm gains more on test than on val than chance explains."""
    return bool(difference["excess"] and difference["excess"]["suspicious"])


def _ways_tried(tried: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the settings with synthetic images that were tried, in words."""
    used = (row for row in tried if arm_of(row["arm"]).generative and row["setting"]["share"])
    return tuple(dict.fromkeys("all of them" if row["usual"] else row["says"] for row in used))
