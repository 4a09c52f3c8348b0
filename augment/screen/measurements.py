"""What the screening rules measure by; each measurement is computed once, when a rule asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from augment.measure.likeness import likeness
from augment.measure.metrics import distances
from augment.measure.traits import Range, traits

_K = 3  # neighbours that an image of the class has


@dataclass(frozen=True, eq=False)
class Candidates:
    """Images of one class that are scored: synthetic ones, or real ones that set limits.

    Attributes:
        images: (N, C, H, W) levels.
        features: (N, D) of a network, the images as they are.
        log_p: (N, classes) of a `Recognizer`, all views together.
    """

    images: np.ndarray
    features: np.ndarray
    log_p: np.ndarray


@dataclass(frozen=True, eq=False)
class ClassReference:
    """The real training images of a class, by which its candidates are scored.

    Attributes:
        label: place of the class among the classes.
        images: (M, C, H, W) levels.
        features: (S, M, D), of every symmetry of each; the images as they are come first.
        ranges: of each group of traits.
    """

    label: int
    images: np.ndarray
    features: np.ndarray
    ranges: Mapping[str, Range]

    @cached_property
    def usual(self) -> tuple[float, float]:
        """Medians of the images' distances to their nearest and third nearest others."""
        distance = distances(self.features[0], self.features[0])
        np.fill_diagonal(distance, np.inf)
        distance = np.sort(distance, axis=1)[:, :-1]
        return float(np.median(_nearest(distance))), float(np.median(_third_nearest(distance)))

    @property
    def likeness_of_pairs(self) -> np.ndarray:
        """Likenesses (M, M) of each image to each other; -1 to itself."""
        alike = likeness(self.images, self.images)
        np.fill_diagonal(alike, -1.0)
        return alike

    @property
    def distance_of_pairs(self) -> np.ndarray:
        """Distances (M, M) of each image to each other in its best symmetry; inf to itself."""
        distance = self.distances_to(self.features[0])
        np.fill_diagonal(distance, np.inf)
        return distance

    def distances_to(self, features: np.ndarray) -> np.ndarray:
        """Return the distances (N, M) of (N, D) features to each image in its best symmetry."""
        nearest: np.ndarray = np.min([distances(features, turn) for turn in self.features], axis=0)
        return nearest


@dataclass(frozen=True, eq=False)
class Measurements:
    """Candidates measured by the reference of their class.

    Attributes:
        candidates: N images.
        of: their class, of M training images.
    """

    candidates: Candidates
    of: ClassReference

    @cached_property
    def likeness(self) -> np.ndarray:
        """Likenesses (N, M) of structure to each training image."""
        return likeness(self.candidates.images, self.of.images)

    @cached_property
    def likeness_among(self) -> np.ndarray:
        """Likenesses (N, N) of structure among the candidates."""
        return likeness(self.candidates.images, self.candidates.images)

    @cached_property
    def traits(self) -> dict[str, np.ndarray]:
        """Traits (N, K) of each group."""
        return traits(self.candidates.images)

    @cached_property
    def _distances(self) -> np.ndarray:
        """Distances (N, M) to training images, the nearest first."""
        return np.sort(self.of.distances_to(self.candidates.features), axis=1)

    @property
    def nearest(self) -> np.ndarray:
        """Distances (N,) to the nearest training image, in its best symmetry."""
        return _nearest(self._distances)

    @property
    def third_nearest(self) -> np.ndarray:
        """Distances (N,) to the third nearest training image, in its best symmetry."""
        return _third_nearest(self._distances)


def _nearest(ordered: np.ndarray) -> np.ndarray:
    return ordered[:, 0]


def _third_nearest(ordered: np.ndarray) -> np.ndarray:
    """Return the third column, or the last where there are fewer."""
    return ordered[:, min(_K, ordered.shape[1]) - 1]
