"""Limits of the screening rules, set on real validation images, and what they accept. Pure arrays.

No generator and no classifier was trained on the validation images. Together the rules may refuse
a small share of them. A rule's limit is that of all classes, unless it would refuse too many real
images of a class: that class then has its own, more lenient limit, so that a class that is hard to
recognize is not emptied.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from augment.screen.rules import IMAGE_RULES, SEQUENCE_RULES
from augment.screen.rules.rule import Limits, Scores

if TYPE_CHECKING:
    from augment.screen.measurements import ClassReference

_MOST_OF_CLASS = 0.06  # of a class's real images a rule may refuse before its own limit counts
_FOLDS = 5
FEWEST_TRAINED = 2  # training images of a class, for its synthetic ones to be scored by
# Validation images that can be scored, of all classes; with fewer, training images set limits.
FEWEST_HELD_OUT = 20
_HALVINGS = 12  # of the interval in which the share of each rule is searched


def set_limits(real: Sequence[Scores], share: float) -> list[Limits]:
    """Set each class's limits so that the rules together refuse about `share` of real images.

    Args:
        real: of each class, the scores of its real images of the validation part; of all classes
            together two or more.
        share: of real images that may be refused, in (0, 1).

    Returns:
        Limits of each class, in the same order.
    """
    low, high = 0.0, share  # of most rules alone; all rules together refuse more
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _refused(real, middle) <= share else (low, middle)
    return _limits_at(real, low)


def limits_key(n_train: Mapping[str, int], n_val: Mapping[str, int]) -> list[str]:
    """Return what the way of setting limits adds to keys of fitted rules and of what they judge.

    Nothing where the limits are those of the first version, whose results are found again: it began
    each class at the first fold, and counted the images of classes that cannot be scored.

    Args:
        n_train: training images of each class.
        n_val: validation images of each class that has any.
    """
    scored = [n for name, n in n_val.items() if n_train.get(name, 0) >= FEWEST_TRAINED]
    n_small = sum(n < _FOLDS for n in scored)  # the first begins at the first fold as well
    if sum(scored) < FEWEST_HELD_OUT:  # training images set the limits
        is_as_first = sum(n_val.values()) < FEWEST_HELD_OUT
    else:
        is_as_first = n_small < 2
    return [] if is_as_first else ["small classes go on where the last one ended"]


def training_limits(of: "ClassReference") -> Limits:
    """Return the limits that the training images alone can set, where others are too few."""
    return {rule.name: rule.training_limit(of) for rule in IMAGE_RULES if rule.training_limit}


def with_fixed(limits: Mapping[str, float]) -> Limits:
    """Return the limits of a class and those of the rules whose limit is fixed."""
    return {**{rule.name: rule.limit for rule in SEQUENCE_RULES}, **limits}


def accepted(found: Scores, limits: Limits) -> np.ndarray:
    """Return which images no rule refuses; (N,) bool."""
    within: np.ndarray = np.all([found[rule] <= limits[rule] for rule in limits], axis=0)
    return within


def _refused(real: Sequence[Scores], alpha: float) -> float:
    """Estimate the share of unseen real images that is refused: each fold by the others' limits."""
    folds, refused = _folds(real), []
    for fold in range(_FOLDS):
        inside = [_part(own, dealt == fold) for own, dealt in zip(real, folds, strict=True)]
        others = [_part(own, dealt != fold) for own, dealt in zip(real, folds, strict=True)]
        found = _limits_at(others, alpha)
        refused += [~accepted(own, limits) for own, limits in zip(inside, found, strict=True)]
    return float(np.concatenate(refused).mean())


def _folds(real: Sequence[Scores]) -> list[np.ndarray]:
    """Return the fold of each image of each class.

    A class of fewer images than folds goes on where the last such class ended: else the images of
    many small classes would lie in the first fold, and none in others.
    """
    dealt, begin = [], 0
    for own in real:
        n = len(own[IMAGE_RULES[0].name])
        first = begin if n < _FOLDS else 0
        dealt.append((first + np.arange(n)) % _FOLDS)
        begin += n if n < _FOLDS else 0
    return dealt


def _part(own: Scores, chosen: np.ndarray) -> Scores:
    return {rule: values[chosen] for rule, values in own.items()}


def _limits_at(real: Sequence[Scores], alpha: float) -> list[Limits]:
    """Set the limits at which a rule of share 1 refuses `alpha` of all real images."""
    shared = {
        rule.name: np.quantile(
            np.concatenate([own[rule.name] for own in real]), 1 - min(1.0, rule.share * alpha)
        )
        for rule in IMAGE_RULES
    }
    return [
        {rule: _limit_of_class(shared_limit, own[rule]) for rule, shared_limit in shared.items()}
        for own in real
    ]


def _limit_of_class(shared: np.floating, own: np.ndarray) -> float:
    return float(max(shared, np.quantile(own, 1 - _MOST_OF_CLASS)) if len(own) else shared)
