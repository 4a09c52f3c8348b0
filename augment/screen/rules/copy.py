"""The structure of a training image again: turned, mirrored, recoloured or encoded anew.

Scores the likeness to the nearest training image, -1 to 1 (see `augment.measure.likeness`).
"""

from typing import TYPE_CHECKING

import numpy as np

from augment.screen.rules.rule import ImageRule

if TYPE_CHECKING:
    from augment.screen.measurements import ClassReference, Measurements


def _score(measured: "Measurements") -> np.ndarray:
    return measured.likeness.max(1).astype(np.float64)


def half_way_to_a_copy(most: float) -> float:
    """Return the limit half way between `most` and 1, the score of a copy.

    `most` is the score of the two training images that are most alike. It is not known how far
    beyond it chance goes.
    """
    return (1 + most) / 2


def _training_limit(of: "ClassReference") -> float:
    return half_way_to_a_copy(float(of.likeness_of_pairs.max()))


RULE = ImageRule(
    "copy", "the structure of a training image", _score, training_limit=_training_limit
)
