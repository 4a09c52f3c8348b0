"""CutMix within classes: images are pasted onto others of their class and source.

What is left of images drawn around parts of real ones (`sampling.keep`) if nothing is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from classifier.arms.part import Part

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from classifier.images.loading import LabelledImages


class ClassCutMix(Part):
    """Paste a square of an image onto another one, see `classifier.images.paste`."""

    name = "class-cutmix"
    label = "CutMix within classes"
    does = "CutMix within classes"
    pastes = True

    def pixels(
        self, batch: Tensor, images: LabelledImages, chosen: Tensor, draws: torch.Generator
    ) -> Tensor:
        """Paste half of a batch of (B, C, H, W) levels, chosen at random."""
        from classifier.images.paste import pasted_at_random

        return pasted_at_random(batch, images.pixels, images.peers, chosen, draws)
