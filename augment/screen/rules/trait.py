"""What the rules on a group of traits share: an image unlike the class in a few plain numbers."""

from typing import TYPE_CHECKING

import numpy as np

from augment.screen.rules.rule import ImageRule

if TYPE_CHECKING:
    from augment.screen.measurements import Measurements


def trait_rule(group: str, meaning: str) -> ImageRule:
    """Return the rule on one of `augment.measure.traits.GROUPS`, which is also its name.

    It scores the distance to the class's mean (Mahalanobis); 1 is as far as the class's images are
    on average.
    """

    def score(measured: "Measurements") -> np.ndarray:
        return measured.of.ranges[group].distance(measured.traits[group])

    return ImageRule(group, meaning, score)
