"""Training on all images first, then on the real ones alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classifier.arms.part import Labelled, Step
from classifier.arms.synthetic import Synthetic

if TYPE_CHECKING:
    from torch import Tensor

    from classifier.arms.setting import Setting


class PretrainSynthetic(Synthetic):
    """Take all images in the first half of the steps, and the real ones in the second."""

    name = "pretrain-synthetic"
    label = "Synthetic, then real"
    does = "the synthetic ones, then on the real ones alone"

    def synthetic_weight(self, setting: Setting) -> float:
        """Return 0: a correction goes by the real images alone, which the network sees last."""
        return 0.0

    def indices(self, examples: Labelled, step: Step, setting: Setting) -> Tensor | None:
        """Return (batch_size,) real examples in the second half of the steps; else None."""
        import torch

        from classifier.arms.order import batch_indices

        first_half = step.total // 2
        if step.index < first_half:
            return None
        real = torch.nonzero(~examples.synthetic).flatten()
        return real[batch_indices(step.index - first_half, len(real), step.batch_size, step.seed)]
