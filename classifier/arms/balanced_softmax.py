"""Balanced softmax (Ren et al. 2020): the loss takes the class shares into account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from classifier.arms.part import Part

if TYPE_CHECKING:
    from torch import Tensor

    from classifier.arms.setting import Setting


class BalancedSoftmax(Part):
    """Add the log prior to the logits in training, so that they learn what is left without it."""

    name = "balanced-softmax"
    label = "Balanced softmax"
    does = "balanced softmax"
    tunes = "strength"

    def offsets(self, counts: Sequence[int], setting: Setting) -> Tensor:
        """Return the (classes,) logarithm of each class's share of the images, by the strength."""
        import torch

        sizes = torch.tensor(counts, dtype=torch.float32)
        return setting.strength * (sizes / sizes.sum()).log()
