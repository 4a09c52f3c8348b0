"""Looks like another class.

Scores the log-odds of the likeliest other class, by a linear recognizer on features
(`augment.screen.recognizer`). May refuse ten times as many real images as any other rule: images
of another class are the hardest to detect, and harm the classifier most.
"""

from typing import TYPE_CHECKING

import numpy as np

from augment.screen.rules.rule import ImageRule

if TYPE_CHECKING:
    from augment.screen.measurements import Measurements


def _score(measured: "Measurements") -> np.ndarray:
    log_p, label = measured.candidates.log_p, measured.of.label
    odds: np.ndarray = np.delete(log_p, label, axis=1).max(1) - log_p[:, label]
    return odds


RULE = ImageRule("off_class", "looks like another class", _score, share=10.0)
