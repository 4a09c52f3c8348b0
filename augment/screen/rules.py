"""Keep or refuse synthetic images: scores, limits set on real ones, reasons. Pure arrays.

Every rule gives each image a score, higher is worse. What a rule may refuse is decided by real
images of the validation part, which no generator and no classifier was trained on: together the
rules may refuse a small share of them. A rule's limit is that of all classes, unless it would
refuse too many real images of a class: then that class has its own, more lenient one, so that a
class that is hard to recognize is not emptied.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from augment.measure.likeness import likeness
from augment.measure.metrics import distances
from augment.measure.traits import GROUPS, Range, traits
from terrabalance.errors import BadInput
from terrabalance.manifest import RULES

_K = 3  # neighbours that an image of the class has
# How many times as many real images as any other rule a rule may refuse. Images of another class
# are the hardest to tell, and harm the classifier most.
_SHARES = {"off_class": 10.0}
_MOST_OF_CLASS = 0.06  # of a class's real images a rule may refuse before its own limit counts
_FOLDS = 5
REPEAT = "repeat"  # judged among synthetic images, not against real ones
LIMITED = tuple(rule for rule in RULES if rule != REPEAT)
Scores = dict[str, np.ndarray]  # rule -> (N,) float64
Limits = dict[str, float]  # rule -> the highest score that is accepted; a rule without one accepts


@dataclass(frozen=True)
class Seen:
    """Images of one class as the rules see them.

    Attributes:
        images: (N, C, H, W) levels.
        features: (N, D) of a network, the images as they are.
        log_p: (N, classes) of a `Recognizer`, all views together.
    """

    images: np.ndarray
    features: np.ndarray
    log_p: np.ndarray


@dataclass(frozen=True)
class Class:
    """What the rules know of a class, all from its real training images.

    Attributes:
        label: its place among the classes.
        images: (M, C, H, W) levels.
        features: (S, M, D): of every symmetry of each, the images as they are first.
        ranges: of each group of traits.
    """

    label: int
    images: np.ndarray
    features: np.ndarray
    ranges: Mapping[str, Range]


@dataclass(frozen=True)
class Recognizer:
    """A linear classifier on features.

    Attributes:
        weight: (classes, D).
        bias: (classes,).
    """

    weight: np.ndarray
    bias: np.ndarray

    def log_p(self, features: np.ndarray) -> np.ndarray:
        """Return the (N, classes) log-probabilities, means over views, of (N, views, D) features.

        From above there is no up: what a network says of the turned image is a second opinion. All
        eight together are right about 2 to 3 % more images of AID than one.
        """
        found: np.ndarray = log_softmax(features @ self.weight.T + self.bias, axis=2).mean(axis=1)
        return found


def recognizer(features: np.ndarray, labels: np.ndarray) -> Recognizer:
    """Fit on (N, D) features of real training images, of two classes or more.

    Classes count alike, however many images they have: a rare one would be called another too
    easily.
    """
    scaler = StandardScaler()
    regression = LogisticRegression(C=0.01, class_weight="balanced", max_iter=300)
    make_pipeline(scaler, regression).fit(features, labels)
    weight, bias = regression.coef_, regression.intercept_
    if len(weight) == 1:  # of two classes, one row tells
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    weight = weight / scaler.scale_
    return Recognizer(weight, bias - weight @ scaler.mean_)


def scores(seen: Seen, of: Class) -> Scores:
    """Score images by every rule.

    Returns:
        `copy`: likeness of structure to the nearest training image, -1 to 1; `near_copy`: how much
        nearer the nearest training image is in features than those are to each other, 0 as near,
        1 the same; `off_class`: log-odds of the likeliest other class; the groups of traits:
        distance to the class's mean, 1 as far as its images on average; `outlier`: distance to the
        third nearest training image in features, over what is usual.

    Raises:
        BadInput: fewer than two training images.
    """
    if len(of.images) < 2:
        raise BadInput("a class needs two training images to screen its synthetic ones by.")
    nearest, third = _feature_distances(seen.features, of.features)
    usual, usual_third = _usual(of.features[0])
    others = np.delete(seen.log_p, of.label, axis=1)
    measured = traits(seen.images)
    return {
        "copy": likeness(seen.images, of.images).max(1).astype(np.float64),
        "near_copy": 1 - nearest / usual,
        "off_class": others.max(1) - seen.log_p[:, of.label],
        **{group: of.ranges[group].distance(measured[group]) for group in GROUPS},
        "outlier": third / usual_third,
    }


def copy_limits(of: Class) -> Limits:
    """Return limits of `copy` and `near_copy` alone, from training images, for want of others.

    Half way between a copy, which scores 1, and the most alike two training images: it is not known
    how far chance goes beyond these.
    """
    alike = likeness(of.images, of.images)
    np.fill_diagonal(alike, -1.0)
    distance = _over_symmetries(of.features[0], of.features)
    np.fill_diagonal(distance, np.inf)
    usual, _ = _usual(of.features[0])
    most = {"copy": float(alike.max()), "near_copy": float(1 - distance.min() / usual)}
    return {rule: (1 + score) / 2 for rule, score in most.items()}


def repeats(images: np.ndarray, limit: Limits, kept: np.ndarray) -> np.ndarray:
    """Score how much each image repeats an earlier one that is kept; above 0, it does.

    Two images are one picture if their structures are as alike as that of an image and its copy,
    over the symmetries. On AID that finds every image that was turned and encoded anew, and of real
    images of a class calls 2 in 1,000 repeats.

    Args:
        images: (N, C, H, W) levels, synthetic images of a class in the order of drawing.
        limit: of the class.
        kept: (N,) bool, images that the other rules accept.

    Returns:
        (N,) float64.
    """
    alike = likeness(images, images) - limit["copy"]
    found, still = np.full(len(kept), -1.0), kept.copy()
    for index in np.flatnonzero(kept):
        earlier = np.flatnonzero(still[:index])
        found[index] = alike[index, earlier].max(initial=-1.0)
        still[index] = found[index] <= 0
    return found


def _feature_distances(features: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances (N,) to the nearest and to the third nearest training image, best symmetries."""
    distance = _over_symmetries(features, train)
    distance.sort(axis=1)
    return distance[:, 0], distance[:, min(_K, distance.shape[1]) - 1]


def _over_symmetries(features: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Distances (N, M) to each training image, in its best symmetry."""
    nearest: np.ndarray = np.min([distances(features, turned) for turned in train], axis=0)
    return nearest


def _usual(train: np.ndarray) -> tuple[float, float]:
    """Medians of the training images' distances to their nearest and third nearest others."""
    distance = distances(train, train)
    np.fill_diagonal(distance, np.inf)
    distance = np.sort(distance, axis=1)[:, :-1]
    nearest, third = distance[:, 0], distance[:, min(_K, distance.shape[1]) - 1]
    return float(np.median(nearest)), float(np.median(third))


def limits(real: Sequence[Scores], share: float) -> list[Limits]:
    """Set each class's limits so that the rules together refuse about `share` of real images.

    Args:
        real: of each class, the scores of its real images of the validation part.
        share: of real images that may be refused, in (0, 1).

    Returns:
        Limits of each class, in the same order.
    """
    low, high = 0.0, share  # of most rules alone; all rules together refuse more
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if _refused(real, middle) <= share else (low, middle)
    return _limits_at(real, low)


def _refused(real: Sequence[Scores], alpha: float) -> float:
    """Estimate the share of unseen real images that is refused: each fold by the others' limits."""
    refused = []
    for fold in range(_FOLDS):
        inside = [_part(own, fold, True) for own in real]
        found = _limits_at([_part(own, fold, False) for own in real], alpha)
        refused += [~accepted(own, limit) for own, limit in zip(inside, found, strict=True)]
    return float(np.concatenate(refused).mean())


def _part(own: Scores, fold: int, inside: bool) -> Scores:
    return {
        rule: values[(np.arange(len(values)) % _FOLDS == fold) == inside]
        for rule, values in own.items()
    }


def _limits_at(real: Sequence[Scores], alpha: float) -> list[Limits]:
    everyone = {rule: np.concatenate([own[rule] for own in real]) for rule in LIMITED}
    level = {rule: 1 - min(1.0, _SHARES.get(rule, 1.0) * alpha) for rule in LIMITED}
    shared = {rule: np.quantile(values, level[rule]) for rule, values in everyone.items()}
    return [
        {
            rule: float(max(shared[rule], np.quantile(own[rule], 1 - _MOST_OF_CLASS)))
            if len(own[rule])
            else float(shared[rule])
            for rule in LIMITED
        }
        for own in real
    ]


def accepted(found: Scores, limit: Limits) -> np.ndarray:
    """Say which images no rule refuses; (N,) bool."""
    within: np.ndarray = np.all([found[rule] <= limit[rule] for rule in limit], axis=0)
    return within
