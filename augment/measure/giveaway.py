"""Measure how well codec traces and sharpness alone separate synthetic images from real ones.

Where they do, a classifier can learn "soft and lossless means rare class", and fail on real images
of rare classes. The probe gets the shape of the power spectrum and the traces of 8 x 8 blocks, and
nothing of the content.
"""

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from augment.measure.metrics import Estimate, area_under_curve
from augment.measure.traits import windowed_power

FEWEST = 10  # images on either side
HIGHEST_GIVE_AWAY = 0.6  # area under the curve of a class; what is above is marked on all pages
_FOLDS = 5
_RINGS = 12
_BLOCK_PX = 8  # of JPEG
_FLOOR = 1e-6  # of a squared level; keeps the logarithm of a blank image finite


def give_away(real: np.ndarray, synthetic: np.ndarray) -> Estimate | None:
    """Return the area under the ROC curve of a probe: 0.5 separates nothing, 1 every image.

    The better of two probes, measured on images that they were not fitted on (five folds): a
    logistic regression, which needs few images, and extremely randomized trees (Geurts et al.
    2006), which also detect that synthetic images vary less, or crowd around the real ones that
    their generator saw. The better of two is a little above 0.5 by chance.
    The standard error is that of Hanley and McNeil (1982).

    Args:
        real: (N, C, H, W) levels of images that no generator and no filter has seen.
        synthetic: (M, C, H, W) levels of the same shape.

    Returns:
        None with fewer than `FEWEST` images on a side.
    """
    n, m = len(real), len(synthetic)
    if min(n, m) < FEWEST:
        return None
    seen = np.concatenate([traces(real), traces(synthetic)])
    labels = np.repeat([0, 1], [n, m])
    linear = LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
    trees = ExtraTreesClassifier(200, min_samples_leaf=2, class_weight="balanced", random_state=0)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    aucs = [
        roc_auc_score(labels, cross_val_predict(probe, seen, labels, cv=folds, method=method)[:, 1])
        for probe, method in (
            (make_pipeline(StandardScaler(), linear), "predict_log_proba"),
            (trees, "predict_proba"),
        )
    ]
    return area_under_curve(float(max(aucs)), m, n)


def traces(images: np.ndarray) -> np.ndarray:
    """Measure (N, C, H, W) levels; returns (N, K) float64.

    The features are the logarithm of the power in rings of frequency, less its mean, of the
    brightness and of the differences of neighbouring bands; and the mean step between neighbouring
    pixels in each phase of a grid of 8 px, over the mean of all phases.
    """
    levels = images.astype(np.float64) / np.iinfo(images.dtype).max
    grey = levels.mean(1)
    planes = [grey, *np.diff(levels, axis=1).swapaxes(0, 1)]
    steps = [np.abs(np.diff(grey, axis=axis)).mean(3 - axis) for axis in (1, 2)]
    return np.concatenate([*map(_spectrum, planes), *map(_phases, steps)], axis=1)


def _spectrum(planes: np.ndarray) -> np.ndarray:
    power, frequency = windowed_power(planes)
    ring = (frequency * 2 * _RINGS).astype(int)
    rings = [power[:, ring == r].mean(1) for r in range(_RINGS) if (ring == r).any()]
    logs = np.log(np.stack(rings, axis=1) + _FLOOR)
    shape: np.ndarray = logs - logs.mean(1, keepdims=True)
    return shape


def _phases(steps: np.ndarray) -> np.ndarray:
    """Mean step at each phase of the grid over the mean of all, of (N, places) steps."""
    phase = np.arange(steps.shape[1]) % _BLOCK_PX
    means = [steps[:, phase == p].mean(1) for p in range(_BLOCK_PX)]
    shares: np.ndarray = np.stack(means, axis=1) / (steps.mean(1, keepdims=True) + _FLOOR)
    return shares
