"""Far from every image of the class.

Scores the distance to the third nearest training image in features, over what is usual among
training images.
"""

from typing import TYPE_CHECKING

import numpy as np

from augment.screen.rules.rule import ImageRule

if TYPE_CHECKING:
    from augment.screen.measurements import Measurements


def _score(measured: "Measurements") -> np.ndarray:
    return measured.third_nearest / measured.of.usual[1]


RULE = ImageRule("outlier", "far from every image of the class", _score)
