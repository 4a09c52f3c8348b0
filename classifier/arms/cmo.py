"""CMO: rare images in the contexts of frequent ones (Park et al. 2022, arXiv:2112.00412)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from classifier.arms.part import Batch, Labelled, Part, Step

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_CHANCE = 0.5  # of an image to get a patch, as in the authors' code
_MEAN_AREA = 0.5  # of a patch, whose area is drawn evenly


class ContextMixing(Part):
    """Paste a patch of an image, all classes equally often, into an image of the usual order.

    Half of a batch gets one. Its label is mixed by the patch's share of the pixels. As in the
    authors' code, areas are drawn evenly from 0 to 1; unlike there each image has a patch of its
    own, which lies within it, and no step goes without. Features of frozen networks are mixed by
    the same shares.
    """

    name = "cmo"
    label = "CMO"
    does = "patches of rare images in others (CMO)"

    def partners(self, examples: Labelled, step: Step) -> Tensor:
        """Return (batch_size,) examples, every class with the same chance."""
        import torch

        from terrabalance.seeds import generator_for

        chance = torch.bincount(examples.labels).double().reciprocal()[examples.labels]
        draws = generator_for("classifier", "cmo", step.seed, step.index)
        return torch.multinomial(chance, step.batch_size, replacement=True, generator=draws)

    def mixed(
        self, batch: Batch, partners: Batch | None, n_classes: int, draws: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Paste patches of the partners into half of a batch."""
        from classifier.images.paste import patched_at_random

        assert partners is not None
        inputs, shares = patched_at_random(batch.inputs, partners.inputs, _CHANCE, draws)
        targets = batch.one_hot(n_classes).lerp(partners.one_hot(n_classes), shares[:, None])
        return inputs, targets

    def seen(self, shares: Sequence[float]) -> list[float]:
        """Return the shares of the classes in labels that are mixed with those of partners."""
        mixed = _CHANCE * _MEAN_AREA
        return [(1 - mixed) * share + mixed / len(shares) for share in shares]
