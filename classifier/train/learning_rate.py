"""The learning-rate schedule, the same for every arm."""

import math

from classifier.config import ClassifierConfig


def learning_rate_at(step: int, config: ClassifierConfig) -> float:
    """Return the rate of `step` (from 0): linear warm-up over 5 %, then a cosine to 0."""
    warm_up = max(1, round(0.05 * config.steps))
    if step < warm_up:
        return config.learning_rate * (step + 1) / warm_up
    done_share = (step - warm_up) / max(1, config.steps - warm_up)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * done_share))
