"""Tell a training that goes well from one that has to go back."""

import math
from collections.abc import Sequence
from statistics import median

_RECENT = 20  # losses that a new one is compared with
_SPIKE = 5.0  # times their median; the loss of a healthy step stays below twice


def is_healthy(loss: float, grad_norm: float, before: Sequence[float]) -> bool:
    """Say whether a loss is finite, with a finite gradient, and no spike over those before it."""
    if not (math.isfinite(loss) and math.isfinite(grad_norm)):
        return False
    recent = before[-_RECENT:]
    return len(recent) < _RECENT or loss <= _SPIKE * median(recent)
