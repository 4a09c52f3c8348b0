"""Logit adjustment after training (Menon et al. 2021, equation 9)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from classifier.arms.part import Part

if TYPE_CHECKING:
    import numpy as np

    from classifier.arms.setting import Setting


class LogitAdjustment(Part):
    """Take the logarithm of a class's share in training off its logit, times the strength.

    A strength of 0 leaves the logits as they are; 1 assumes that they are calibrated. The shares
    are those that the loss has seen: a synthetic image counts its weight.
    """

    name = "logit-adjustment"
    label = "Logit adjustment"
    does = "logit adjustment"
    tunes = "strength"
    corrects = True

    def corrected(
        self, logits: np.ndarray, shares: Sequence[float], setting: Setting
    ) -> np.ndarray:
        """Return the adjusted (N, classes) float32 logits."""
        import numpy as np

        adjusted: np.ndarray = (logits - setting.strength * np.log(shares)).astype(np.float32)
        return adjusted
