"""Too near to a training image in features.

Scores how much nearer the nearest training image is than training images are to each other: 0 is
as near as those, 1 is the same image.
"""

from typing import TYPE_CHECKING

import numpy as np

from augment.screen.rules.copy import half_way_to_a_copy
from augment.screen.rules.rule import ImageRule

if TYPE_CHECKING:
    from augment.screen.measurements import ClassReference, Measurements


def _score(measured: "Measurements") -> np.ndarray:
    return 1 - measured.nearest / measured.of.usual[0]


def _training_limit(of: "ClassReference") -> float:
    return half_way_to_a_copy(float(1 - of.distance_of_pairs.min() / of.usual[0]))


RULE = ImageRule(
    "near_copy", "too near to a training image in features", _score, training_limit=_training_limit
)
