"""Did the synthetic images help? Paired arms on real test images, with intervals.

Every arm trains with the same seeds and is judged on the same real images, so every difference is
paired in both. How its interval is made: see `classifier.compare.bootstrap`. Which arm speaks for
the synthetic images, and which for what can be had without them, is chosen on val, not on test.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from classifier.arms import ARMS, BASELINE, generative, rivals
from classifier.compare.bootstrap import METRICS
from classifier.compare.by_class import by_class
from classifier.compare.differences import GROUPS, Judged, differences
from classifier.compare.evaluation import calibration_error, scores
from classifier.compare.predictions import Part, part_of
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
    """Judge every arm against `real`, and those with synthetic images against the best without.

    Args:
        predictions: columns arm, seed, split, path, class, predicted, confidence. Rows of split
            test judge; rows of split val choose the arms that the verdict is about.
        n_train: training images by arm and class; the names of `real` are the classes.
        resolution: size that all images were reduced to, in words.
        training: model, steps, batch size...; kept in the record.
        test_kind: what the test images are, in words: `real`, or `drawn`.
        tried: what val decided before, see `classifier.study.selection`; kept in the record.
        shares: of the synthetic images, by arm, as val chose them; None: all. 0 is none.
        n_openings: comparisons that have read these test images, this one included.

    Returns:
        The comparison record; fractions in [0, 1]. `give_away` is left to who has the images.
        Intervals are of 95 %, each class's too; the verdicts of the classes are corrected for their
        number (Holm), and `helped` also against the best arm without synthetic images. A class with
        fewer than two test images has the interval -1 to 1, one with fewer than twenty, or of fewer
        than three seeds, is always `unchanged`, which means: no change was shown.

    Raises:
        BadInput: no test predictions, or arms that differ in seeds or in images.
    """
    arms, classes = list(n_train), list(n_train[BASELINE])
    test = part_of(predictions, "test", arms, classes)
    if test is None:
        raise BadInput("there are no predictions on split test. Train the arms first.")
    val = part_of(predictions, "val", arms, classes)
    groups = thirds(n_train[BASELINE])
    judged = Judged(test, classes, groups)
    chosen_on = Judged(val, classes, groups) if val else None
    val_scores = {arm: chosen_on.score(arm) for arm in arms} if chosen_on else None
    shares = dict(shares or {})
    used = [arm for arm in arms if shares.get(arm, 1.0)]
    none_chosen = bool(generative(arms)) and not generative(used)
    score = val_scores or {arm: judged.score(arm) for arm in arms}
    headline = _headline(used if len(used) > 1 else arms, score, val is None)
    found = differences(judged, chosen_on, arms, headline["rival"])
    by_arm = {arm: _scores(test, arm, classes) for arm in arms}
    per_class = by_class(judged, n_train, by_arm, headline["arm"], headline["rival"])
    claim = _claim(found, headline, test, test_kind, per_class, val_scores)
    if none_chosen:
        instead = max(rivals(arms), key=lambda arm: score[arm])
        said = no_images(_ways_tried(tried), instead)
    else:
        said = verdict(claim)
    return {
        "classes": classes, "arms": arms, "seeds": test.seeds, "n_test": len(test.truth),
        "test_kind": test_kind, "resolution": resolution, "headline": headline, "groups": groups,
        "metrics": {arm: _metrics(runs, judged.groups(arm)) for arm, runs in by_arm.items()},
        "val": val_scores, "tried": list(tried), "shares": shares, "n_openings": n_openings,
        "differences": found, "per_class": per_class,
        "confusion": {
            name: np.sum([run["confusion"] for run in runs], axis=0).tolist()
            for name, runs in by_arm.items()
        },
        "verdict": {
            **said,
            "by_class": class_sentence(per_class, BASELINE, headline["arm"]),
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


def _headline(arms: Sequence[str], score: Mapping[str, float], without_val: bool) -> dict[str, str]:
    """Say which arm the verdict is about, and which is the best without synthetic images.

    An arm for which val chose none of the synthetic images does not speak for them; where all are
    so, the verdict is about the best arm without.

    Without val, the score is of test: then the first arm with synthetic images is judged, and the
    rival is the best on test, so that luck can only speak against the synthetic images.
    """
    made, plain = generative(arms), rivals(arms)
    rival = max(plain, key=lambda name: score[name])
    candidates = made or [name for name in plain if name != BASELINE]
    candidates = candidates or [name for name in arms if name != BASELINE]
    arm = candidates[0] if without_val else max(candidates, key=lambda name: score[name])
    return {"arm": arm, "baseline": BASELINE, "rival": rival if made else BASELINE}


def _scores(part: Part, arm: str, classes: Sequence[str]) -> list[dict[str, Any]]:
    names, runs = np.array(classes, object), []
    for found, *sure in zip(part.predicted[arm], part.confidence[arm], part.hits(arm), strict=True):
        frame = pd.DataFrame({"class": names[part.truth], "predicted": names[found]})
        runs.append({**scores(frame, classes), "calibration_error": calibration_error(*sure)})
    return runs


def _metrics(runs: Sequence[Mapping[str, Any]], groups: np.ndarray) -> dict[str, Any]:
    """Mean, standard deviation over seeds (0 with one) and the value of each seed."""
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
    differences: Sequence[Mapping[str, Any]], headline: Mapping[str, str], test: Part, kind: str,
    per_class: Sequence[Mapping[str, Any]], val_scores: Mapping[str, float] | None,
) -> Claim:  # fmt: skip
    found = {d["baseline"]: d for d in differences if d["arm"] == headline["arm"]}
    to_real, rival = found[BASELINE], found[headline["rival"]]
    excess = to_real["excess"]
    return Claim(
        arm=headline["arm"],
        to_real=to_real["balanced_accuracy"],
        rival=headline["rival"],
        to_rival=rival["balanced_accuracy"],
        n_seeds=len(test.seeds),
        n_test=len(test.truth),
        fewest=min(row["n_test"] for row in per_class if row["n_test"]),
        kind=kind,
        excess=excess["mean"] if excess and excess["suspicious"] else None,
        generative=ARMS[headline["arm"]].generative,
        suspects=tuple(
            d["arm"]
            for d in differences
            if d["baseline"] == BASELINE and d["excess"] and d["excess"]["suspicious"]
        ),
        val_gap=val_scores[headline["arm"]] - val_scores[headline["rival"]] if val_scores else None,
    )


def _ways_tried(tried: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the settings that arms with synthetic images were tried with, but for none of them."""
    used = (row for row in tried if ARMS[row["arm"]].generative and row["setting"]["share"])
    return tuple(dict.fromkeys("all of them" if row["usual"] else row["says"] for row in used))
