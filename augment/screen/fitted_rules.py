"""The screening rules fitted on the real images of a dataset, kept as one file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from augment.measure.traits import GROUPS, Range, ranges, traits
from augment.screen.limits import (
    FEWEST_HELD_OUT,
    FEWEST_TRAINED,
    set_limits,
    training_limits,
)
from augment.screen.measurements import Candidates, ClassReference
from augment.screen.recognizer import Recognizer, fit_recognizer
from augment.screen.rules import LIMITED
from augment.screen.rules.rule import Limits, Scores
from augment.screen.scoring import score_images
from terrabalance.checkpoint import read_tensors, write_tensors


@dataclass(frozen=True, eq=False)
class RealPart:
    """Real images of one part.

    Attributes:
        images: (N, C, H, W) levels.
        features: (N, views, D) float32, the images as they are first.
        labels: (N,) int.
    """

    images: np.ndarray
    features: np.ndarray
    labels: np.ndarray

    def of(self, label: int) -> "RealPart":
        """Return those of one class."""
        mine = self.labels == label
        return RealPart(self.images[mine], self.features[mine], self.labels[mine])


@dataclass(frozen=True, eq=False)
class FittedRules:
    """Recognizer, ranges of the traits, and limits of every class, in label order."""

    recognizer: Recognizer
    ranges: dict[str, list[Range]]
    limits: list[Limits]

    def class_of(self, label: int, train: RealPart) -> ClassReference:
        """Return what the rules measure by, given the real training images of a class."""
        own = {group: found[label] for group, found in self.ranges.items()}
        return ClassReference(label, train.images, train.features.swapaxes(0, 1), own)

    def candidates(self, images: np.ndarray, features: np.ndarray) -> Candidates:
        """Return images as the rules score them.

        Args:
            images: (N, C, H, W) levels.
            features: (N, views, D), the images as they are first.
        """
        return Candidates(images, features[:, 0], self.recognizer.log_p(features))


def fit_rules(train: RealPart, val: RealPart, refuse_real: float) -> FittedRules | None:
    """Fit on the real train part, set the limits on the real val part.

    Args:
        train: all classes, each with two images or more to be scored by.
        val: all classes, of the same views.
        refuse_real: share of real images that the rules together may refuse, in (0, 1).

    Returns:
        None with fewer than two classes, or without one of `FEWEST_TRAINED` images. With fewer
        than `FEWEST_HELD_OUT` images of val, of classes with `FEWEST_TRAINED` in train, the limits
        are those of `training_limits`.
    """
    n_classes = int(train.labels.max()) + 1
    if n_classes < 2 or np.bincount(train.labels).max() < FEWEST_TRAINED:
        return None
    n_views = train.features.shape[1]
    features = train.features.reshape(-1, train.features.shape[-1])
    recognizer = fit_recognizer(features, np.repeat(train.labels, n_views))
    measured = traits(train.images)
    found = {group: ranges(measured[group], train.labels) for group in GROUPS}
    fitted = FittedRules(recognizer, found, [])
    has_reference = np.bincount(train.labels) >= FEWEST_TRAINED
    if has_reference[val.labels].sum() < FEWEST_HELD_OUT:
        few = [_training_limits(fitted, label, train.of(label)) for label in range(n_classes)]
        return FittedRules(recognizer, found, few)
    scored = [_scores(fitted, c, train.of(c), val.of(c)) for c in range(n_classes)]
    return FittedRules(recognizer, found, set_limits(scored, refuse_real))


def _training_limits(fitted: FittedRules, label: int, train: RealPart) -> Limits:
    few = len(train.images) < FEWEST_TRAINED
    return {} if few else training_limits(fitted.class_of(label, train))


def _scores(fitted: FittedRules, label: int, train: RealPart, val: RealPart) -> Scores:
    if len(train.images) < FEWEST_TRAINED or not len(val.images):
        return {rule: np.empty(0) for rule in LIMITED}
    return score_images(fitted.candidates(val.images, val.features), fitted.class_of(label, train))


def write_fitted_rules(path: Path, fitted: FittedRules) -> None:
    """Write as safetensors, atomically."""
    tensors = {
        "recognizer.weight": fitted.recognizer.weight,
        "recognizer.bias": fitted.recognizer.bias,
        "limits": np.array([[own.get(rule, np.inf) for rule in LIMITED] for own in fitted.limits]),
    }
    for group, found in fitted.ranges.items():
        tensors[f"{group}.mean"] = np.stack([each.mean for each in found])
        tensors[f"{group}.precision"] = np.stack([each.precision for each in found])
    write_tensors(path, {name: torch.from_numpy(values) for name, values in tensors.items()})


def read_fitted_rules(path: Path) -> FittedRules:
    """Read what `write_fitted_rules` wrote."""
    tensors = {name: tensor.numpy() for name, tensor in read_tensors(path).items()}
    found = {
        group: _ranges(tensors[f"{group}.mean"], tensors[f"{group}.precision"]) for group in GROUPS
    }
    recognizer = Recognizer(tensors["recognizer.weight"], tensors["recognizer.bias"])
    limits = [
        {rule: float(at) for rule, at in zip(LIMITED, row, strict=True) if np.isfinite(at)}
        for row in tensors["limits"]
    ]
    return FittedRules(recognizer, found, limits)


def _ranges(means: np.ndarray, precisions: np.ndarray) -> list[Range]:
    return [Range(mean, precision) for mean, precision in zip(means, precisions, strict=True)]
