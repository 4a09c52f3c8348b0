"""Repeats an earlier synthetic image.

Two images are one picture if their structures are as alike as those of an image and its copy, over
the symmetries: the limit of the rule `copy`. On AID that finds every image that was turned and
encoded anew, and calls 2 in 1,000 real images of a class repeats.
"""

from typing import TYPE_CHECKING

import numpy as np

from augment.screen.rules import copy
from augment.screen.rules.rule import Limits, SequenceRule

if TYPE_CHECKING:
    from augment.screen.measurements import Measurements


def repeats(alike: np.ndarray, limit: float, kept: np.ndarray) -> np.ndarray:
    """Score how much each image repeats an earlier one that is kept; above 0, it does.

    Args:
        alike: (N, N) likenesses of the synthetic images of a class, in the order of drawing.
        limit: of likeness; what is above is a copy.
        kept: (N,) bool, images that the other rules accept.

    Returns:
        (N,) float64.
    """
    above = alike - limit
    found, still = np.full(len(kept), -1.0), kept.copy()
    for index in np.flatnonzero(kept):
        earlier = np.flatnonzero(still[:index])
        found[index] = above[index, earlier].max(initial=-1.0)
        still[index] = found[index] <= 0
    return found


def _score(measured: "Measurements", limits: Limits, kept: np.ndarray) -> np.ndarray:
    return repeats(measured.likeness_among, limits[copy.RULE.name], kept)


RULE = SequenceRule("repeat", "repeats an earlier synthetic image", _score, limit=0.0)
