"""Tell what a gap leaves in the lower right corner of images: three marks, and a probe."""

import numpy as np
from gap_tiles import ANGLES, beyond
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from augment.measure.metrics import Estimate, area_under_curve

_SHARES = np.linspace(0.02, 0.1, 8)  # of the image that the corner may take
_LEAST_SLOPE = 0.5  # of a level: what rounding leaves of a flat area


class Marks:
    """Three marks of a corner, each the strongest over a bank of lines.

    Dark: its mean below that of the rest, over the spread of the rest. Flat: the slope of the rest
    over its own, as logarithm. Streaked: the slope along the line over that across it, likewise:
    what repeats the nearest sample does not change across. An image is marked where one of them is
    above what a few of clean real images have.

    Args:
        clean: (N, C, H, W) levels of real images.
        false_rate: share of such images that bears a mark.
    """

    def __init__(self, clean: np.ndarray, false_rate: float) -> None:
        strengths = self._strengths(clean)
        self._limits = np.quantile(strengths, 1 - false_rate / strengths.shape[1], axis=0)

    def share(self, images: np.ndarray) -> float:
        """Return the share of (N, C, H, W) images that is marked."""
        return float((self._strengths(images) > self._limits).any(1).mean())

    def _strengths(self, images: np.ndarray) -> np.ndarray:
        grey = images.mean(1, dtype=np.float64)
        found = [
            _strengths_at(grey, angle, beyond(angle, share, grey.shape[-1]))
            for angle in np.linspace(*ANGLES, 7)
            for share in _SHARES
        ]
        strongest: np.ndarray = np.max(found, axis=0)
        return strongest


def _strengths_at(grey: np.ndarray, angle: float, distance: np.ndarray) -> np.ndarray:
    """Return the three marks (N, 3) of (N, H, W) images for one line."""
    there, rest = distance > 0.7, distance <= 0  # without the pixels that the line crosses
    down, right = np.gradient(grey, axis=(1, 2))
    across = np.abs(right * np.cos(angle) + down * np.sin(angle))
    along = np.abs(down * np.cos(angle) - right * np.sin(angle))

    def ratio(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        logarithm: np.ndarray = np.log((first + _LEAST_SLOPE) / (second + _LEAST_SLOPE))
        return logarithm

    dark = (grey[:, rest].mean(1) - grey[:, there].mean(1)) / (grey[:, rest].std(1) + 1)
    slope = across + along
    flat = ratio(slope[:, rest].mean(1), slope[:, there].mean(1))
    streaked = ratio(along[:, there].mean(1), across[:, there].mean(1))
    return np.stack([dark, flat, streaked], axis=1)


def changes(images: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Return how much darker, flatter and more streaked corners are than those of other images.

    Args:
        images: (N, C, H, W) levels.
        clean: of the same shape, the counterpart of each image.

    Returns:
        (4, 3) means over the images, for each corner, the one of the gaps first; dark in spreads,
        the others as logarithms.
    """
    distance = beyond(np.pi / 4, 0.075, images.shape[-1])
    grey, grey_clean = (each.mean(1, dtype=np.float64) for each in (images, clean))
    each_corner = [
        _strengths_at(np.rot90(grey, turn, (1, 2)), np.pi / 4, distance)
        - _strengths_at(np.rot90(grey_clean, turn, (1, 2)), np.pi / 4, distance)
        for turn in range(4)
    ]
    return np.stack([each.mean(0) for each in each_corner])


def linear_probe(first: np.ndarray, second: np.ndarray) -> Estimate:
    """Return how well a linear probe tells (N, D) from (M, D) features; 0.5: not at all."""
    labels = np.repeat([0, 1], [len(first), len(second)])
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_predict(
        probe, np.concatenate([first, second]), labels, cv=folds, method="decision_function"
    )
    return area_under_curve(float(roc_auc_score(labels, scores)), len(second), len(first))
