"""Scores of predictions: accuracies, F1, calibration error, McNemar's test."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from terrabalance.errors import BadInput
from terrabalance.wording import listed

_BINS = 15


def scores(predictions: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """Score the predictions of one trial on one split.

    Balanced accuracy (the mean recall) and macro F1 average over the classes that have a true
    image; a class without one has no recall. Precision of a class never predicted counts as 0.

    Args:
        predictions: one row an image, with the columns `class` and `predicted`.
        classes: all names that may occur, in the order of the result.

    Returns:
        `accuracy`, `balanced_accuracy` and `macro_f1` in [0, 1]; `per_class`, a list of
        {class, precision, recall, f1, support}; `confusion`, [[int]], rows true, columns
        predicted.

    Raises:
        BadInput: no rows, or a name that is not in `classes`.
    """
    truth, found = predictions["class"], predictions["predicted"]
    if unknown := sorted((set(truth) | set(found)) - set(classes)):
        raise BadInput(f"predictions hold classes that were not trained: {listed(unknown)}.")
    if predictions.empty:
        raise BadInput("no predictions to score: the split has no images.")
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, found, labels=list(classes), zero_division=0
    )
    there = support > 0
    columns = zip(classes, precision, recall, f1, support, strict=True)
    return {
        "accuracy": float(accuracy_score(truth, found)),
        "balanced_accuracy": float(recall[there].mean()),
        "macro_f1": float(f1[there].mean()),
        "per_class": [
            {"class": c, "precision": float(p), "recall": float(r), "f1": float(f),
             "support": int(n)}
            for c, p, r, f, n in columns
        ],
        "confusion": confusion_matrix(truth, found, labels=list(classes)).tolist(),
    }  # fmt: skip


def calibration_error(confidence: np.ndarray, hit: np.ndarray) -> float:
    """Return the expected calibration error in [0, 1] (Guo et al. 2017, fifteen equal bins).

    Args:
        confidence: (N,) of the predicted class, in [0, 1].
        hit: (N,) bool, whether it is the true one.
    """
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(bins, hit, _BINS) - np.bincount(bins, confidence, _BINS)
    return float(np.abs(gaps).sum() / len(hit))


def mcnemar(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """Test whether two classifiers differ on the same images (McNemar 1947, the exact form).

    Args:
        before: (N,) bool, whether each prediction of one classifier is right.
        after: likewise, of the other classifier.

    Returns:
        `gained` and `lost`: images that only `after` gets right, and only `before`; `p_value`,
        two-sided.
    """
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    p_value = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    return {"gained": gained, "lost": lost, "p_value": float(p_value)}
