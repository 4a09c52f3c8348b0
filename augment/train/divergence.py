"""Detect a training that diverges and has to return to its last good state."""

import math
from collections.abc import Sequence
from statistics import median

_RECENT = 20  # losses with which a new one is compared
_SPIKE = 5.0  # times their median; the loss of a healthy step stays below twice


def is_healthy(loss: float, grad_norm: float, before: Sequence[float]) -> bool:
    """Return whether loss and gradient norm are finite and the loss is no spike over `before`."""
    if not (math.isfinite(loss) and math.isfinite(grad_norm)):
        return False
    recent = before[-_RECENT:]
    return len(recent) < _RECENT or loss <= _SPIKE * median(recent)
