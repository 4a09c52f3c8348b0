"""Real images that a generator is trained on, and those that are held out from it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from augment.catalogue.hashes import Sketches
from augment.network.unlabelled import UnlabelledRecord


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


@dataclass(frozen=True, eq=False)
class Unlabelled:
    """What is known of those images of a training that have no label.

    Attributes:
        count: how many of the training's images they are, the last of all.
        sketches: of these, by which near copies of them are found later.
        record: of where they come from and what was kept out, for the card.
    """

    count: int
    sketches: Sketches
    record: UnlabelledRecord


@dataclass(frozen=True)
class TrainingData:
    """Real images of a training.

    Attributes:
        images: (N, C, H, W) levels of the train part, see `terrabalance.bands`; behind them those
            without labels.
        labels: (N,) int64, places in `TrainingSpec.classes`, or the label that stands for any class
            of an image without one; None: all are of the spec's class, or none has a label.
        held_out: images of the val part; None: the training is not evaluated.
        hashes: SHA-256 of the images' files, for the list of what was learned; empty: not known.
        unlabelled: of the images without labels; None: all have one.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    held_out: HeldOut | None = None
    hashes: tuple[str, ...] = ()
    unlabelled: Unlabelled | None = None

    @property
    def n_unlabelled(self) -> int:
        """Images without a label, the last of all."""
        return self.unlabelled.count if self.unlabelled else 0

    @property
    def n_labelled(self) -> int:
        """Images with a label, the first of all."""
        return len(self.images) - self.n_unlabelled

    def labels_or(self, label: int) -> np.ndarray:
        """Return the labels, (N,) int64; `label` for all images where there are none."""
        return np.full(len(self.images), label) if self.labels is None else self.labels
