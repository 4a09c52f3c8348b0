"""Oversampling: images of rare classes are drawn more often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classifier.arms.part import Labelled, Part, Step

if TYPE_CHECKING:
    from torch import Tensor

    from classifier.arms.setting import Setting


class Oversample(Part):
    """Draw a class of n images with a chance in proportion to n ** (1 - strength).

    With a strength of 1 all classes come equally often, as by torch's `WeightedRandomSampler`; with
    0 they come by their numbers.
    """

    name = "oversample"
    label = "Oversampling"
    does = "rare classes drawn more often"
    tunes = "strength"

    def indices(self, examples: Labelled, step: Step, setting: Setting) -> Tensor:
        """Return (batch_size,) examples, drawn with replacement by seed and step."""
        import torch

        from terrabalance.seeds import generator_for

        labels = examples.labels
        chance = torch.bincount(labels).double().pow(-setting.strength)[labels]
        draws = generator_for("classifier", "oversample", step.seed, step.index)
        return torch.multinomial(chance, step.batch_size, replacement=True, generator=draws)
