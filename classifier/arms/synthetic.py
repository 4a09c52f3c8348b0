"""Synthetic training images, with the weight of real ones or with another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from classifier.arms.part import SYNTHETIC, Knob, Labelled, Part

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from classifier.arms.setting import Setting
    from terrabalance.manifest import Manifest


class Synthetic(Part):
    """Train on the synthetic images as well; how many of them is tuned."""

    name = "synthetic"
    label = "Real + synthetic"
    does = "the synthetic ones"
    adds = SYNTHETIC
    tunes: ClassVar[Knob | None] = "share"

    def added_rows(self, manifest: Manifest, share: float) -> list[pd.DataFrame]:
        """Return a share of each class's synthetic images, rounded up; the first by path."""
        rows = manifest.usable("train")
        made = rows[rows["source"] == "synthetic"].groupby("class", sort=False)
        return [part.head(math.ceil(share * len(part))) for _, part in made]


class SyntheticWeighted(Synthetic):
    """Train on the synthetic images as well, with a weight in the loss that is tuned."""

    name = "synthetic-weighted"
    label = "Synthetic, weighted"
    does = "the synthetic ones, which count less"
    tunes = "weight"

    def weights(self, examples: Labelled, counts: Sequence[int], setting: Setting) -> Tensor:
        """Return (N,): the weight of the setting for synthetic images, 1 for real ones."""
        import torch

        return torch.where(examples.synthetic, self.synthetic_weight(setting), 1.0)

    def synthetic_weight(self, setting: Setting) -> float:
        """Return the weight of the setting."""
        return setting.weight
