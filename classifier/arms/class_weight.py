"""Class weights: images of rare classes count more in the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from classifier.arms.part import Labelled, Part

if TYPE_CHECKING:
    from torch import Tensor

    from classifier.arms.setting import Setting


class ClassWeight(Part):
    """Weigh each image by its class's number of images to the power of minus the strength.

    With a strength of 1 as scikit-learn's "balanced".
    """

    name = "class-weight"
    label = "Class weights"
    does = "class weights"
    tunes = "strength"

    def weights(self, examples: Labelled, counts: Sequence[int], setting: Setting) -> Tensor:
        """Return (N,) weights, 1 on average over the images."""
        import torch

        each = torch.tensor(counts).float().pow(-setting.strength)[examples.labels]
        return each / each.mean()
