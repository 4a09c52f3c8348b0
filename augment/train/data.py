"""Real images that a generator is trained on, and those that are held out from it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class HeldOut:
    """Real images that a generator is not trained on, and the network that gives their features.

    Attributes:
        images: (M, C, H, W) levels, see `terrabalance.bands`.
        labels: (M,) int64, places in `TrainingSpec.classes`.
        embed: returns (N, D) float32 features of (N, C, H, W) levels.
        feature_network: name of the network behind `embed`.
    """

    images: np.ndarray
    labels: np.ndarray
    embed: Callable[[np.ndarray], np.ndarray]
    feature_network: str


@dataclass(frozen=True)
class TrainingData:
    """Real images of a training.

    Attributes:
        images: (N, C, H, W) levels of the train part, see `terrabalance.bands`.
        labels: (N,) int64, places in `TrainingSpec.classes`; None: all are of the spec's class.
        held_out: images of the val part; None: the training is not evaluated.
        hashes: SHA-256 of the images' files, for the list of what was learned; empty: not known.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    held_out: HeldOut | None = None
    hashes: tuple[str, ...] = ()

    def labels_or(self, label: int) -> np.ndarray:
        """Return the labels, (N,) int64; `label` for all images where there are none."""
        return np.full(len(self.images), label) if self.labels is None else self.labels
