"""All that judges the synthetic images of a dataset, fitted on its real ones, as one file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from augment.measure.traits import GROUPS, Range, ranges, traits
from augment.screen.rules import (
    LIMITED,
    Class,
    Limits,
    Recognizer,
    Scores,
    Seen,
    copy_limits,
    limits,
    recognizer,
    scores,
)
from terrabalance.checkpoint import write_tensors

FEWEST_JUDGES = 20  # validation images of all classes; fewer set no limits but those of copies
FEWEST_TRAINED = 2  # images of a class, for its synthetic ones to be judged by


@dataclass(frozen=True)
class Real:
    """Real images of one part.

    Attributes:
        images: (N, C, H, W) levels.
        features: (N, views, D) float32, the images as they are first.
        labels: (N,) int.
    """

    images: np.ndarray
    features: np.ndarray
    labels: np.ndarray

    def of(self, label: int) -> "Real":
        """Return those of one class."""
        mine = self.labels == label
        return Real(self.images[mine], self.features[mine], self.labels[mine])


@dataclass(frozen=True)
class Screener:
    """Recognizer, ranges and limits of every class, in label order."""

    recognizer: Recognizer
    ranges: dict[str, list[Range]]
    limits: list[Limits]

    def class_of(self, label: int, train: Real) -> Class:
        """Return what the rules know of a class, given its real training images."""
        own = {group: found[label] for group, found in self.ranges.items()}
        return Class(label, train.images, train.features.swapaxes(0, 1), own)

    def see(self, images: np.ndarray, features: np.ndarray) -> Seen:
        """Return (N, C, H, W) images as the rules see them.

        Args:
            images: levels.
            features: (N, views, D), the images as they are first.
        """
        return Seen(images, features[:, 0], self.recognizer.log_p(features))


def fit(train: Real, val: Real, refuse_real: float) -> Screener | None:
    """Fit on the real train part, set the limits on the real val part.

    Args:
        train: all classes, each with two images or more to be judged by.
        val: all classes, of the same views.
        refuse_real: share of real images that the rules together may refuse, in (0, 1).

    Returns:
        None with fewer than two classes, or without one of `FEWEST_TRAINED` images. With fewer
        than `FEWEST_JUDGES` images of val only copies are refused, by `copy_limits`.
    """
    n_classes = int(train.labels.max()) + 1
    if n_classes < 2 or np.bincount(train.labels).max() < FEWEST_TRAINED:
        return None
    n_views = train.features.shape[1]
    features = train.features.reshape(-1, train.features.shape[-1])
    own_recognizer = recognizer(features, np.repeat(train.labels, n_views))
    measured = traits(train.images)
    found = {group: ranges(measured[group], train.labels) for group in GROUPS}
    screener = Screener(own_recognizer, found, [])
    if len(val.labels) < FEWEST_JUDGES:
        few = [_copy_limits(screener, label, train.of(label)) for label in range(n_classes)]
        return Screener(own_recognizer, found, few)
    judged = [_judged(screener, c, train.of(c), val.of(c)) for c in range(n_classes)]
    return Screener(own_recognizer, found, limits(judged, refuse_real))


def _copy_limits(screener: Screener, label: int, train: Real) -> Limits:
    few = len(train.images) < FEWEST_TRAINED
    return {} if few else copy_limits(screener.class_of(label, train))


def _judged(screener: Screener, label: int, train: Real, val: Real) -> Scores:
    if len(train.images) < FEWEST_TRAINED or not len(val.images):
        return {rule: np.empty(0) for rule in LIMITED}
    return scores(screener.see(val.images, val.features), screener.class_of(label, train))


def write_screener(path: Path, screener: Screener) -> None:
    """Write as safetensors, atomically."""
    tensors = {
        "recognizer.weight": screener.recognizer.weight,
        "recognizer.bias": screener.recognizer.bias,
        "limits": np.array(
            [[limit.get(rule, np.inf) for rule in LIMITED] for limit in screener.limits]
        ),
    }
    for group, found in screener.ranges.items():
        tensors[f"{group}.mean"] = np.stack([each.mean for each in found])
        tensors[f"{group}.precision"] = np.stack([each.precision for each in found])
    write_tensors(path, {name: torch.from_numpy(values) for name, values in tensors.items()})


def read_screener(path: Path) -> Screener:
    """Read what `write_screener` wrote."""
    tensors = {name: tensor.numpy() for name, tensor in load_file(path).items()}
    found = {
        group: _ranges(tensors[f"{group}.mean"], tensors[f"{group}.precision"]) for group in GROUPS
    }
    own = Recognizer(tensors["recognizer.weight"], tensors["recognizer.bias"])
    limit = [
        {rule: float(at) for rule, at in zip(LIMITED, row, strict=True) if np.isfinite(at)}
        for row in tensors["limits"]
    ]
    return Screener(own, found, limit)


def _ranges(means: Sequence[np.ndarray], precisions: Sequence[np.ndarray]) -> list[Range]:
    return [Range(mean, precision) for mean, precision in zip(means, precisions, strict=True)]
