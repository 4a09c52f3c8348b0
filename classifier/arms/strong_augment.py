"""Strong augmentation: timm's RandAugment, mixup and CutMix (Wightman et al. 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classifier.arms.part import Batch, Part

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from classifier.images.loading import LabelledImages


class StrongAugment(Part):
    """Change the images by RandAugment, then mix pairs of them; features are mixed only."""

    name = "strong-augment"
    label = "Strong augmentation"
    does = "strong augmentation"
    mixes_pairs = True

    def pixels(
        self, batch: Tensor, images: LabelledImages, chosen: Tensor, draws: torch.Generator
    ) -> Tensor:
        """Apply RandAugment to (B, C, H, W) levels."""
        from classifier.images.strong import randomly_augmented

        return randomly_augmented(batch, draws)

    def mixed(
        self, batch: Batch, partners: Batch | None, n_classes: int, draws: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Mix pairs of a batch by mixup or CutMix."""
        from classifier.images.strong import mixed

        return mixed(batch.inputs, batch.labels, n_classes, draws)
