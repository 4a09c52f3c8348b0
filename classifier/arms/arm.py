"""An arm: the parts that it is composed of, joined to one treatment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from classifier.arms.part import SYNTHETIC, Batch, Knob, Labelled, Part, Step
from terrabalance.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch
    from torch import Tensor

    from classifier.arms.setting import Setting
    from classifier.images.loading import LabelledImages
    from terrabalance.manifest import Manifest

BASELINE = "real"  # the arm without parts
# What two parts of an arm cannot both decide.
_DECIDED_ONCE = {
    "indices": "the images that a step takes",
    "mixed": "how inputs are mixed",
    "losses": "the loss",
}


@dataclass(frozen=True)
class Arm:
    """The treatment of one arm: its training images, and how they are trained on and read.

    Attributes:
        name: the names of the parts, joined by `+`; of the arm without parts, `real`.
        label: in reports.
        parts: in the order of the name; corrections of logits last.

    Raises:
        BadInput: parts that exclude each other, or a correction that is not last.
    """

    name: str
    label: str
    parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        names = [part.name for part in self.parts]
        if len(set(names)) < len(names):
            raise BadInput(f"arm {self.name!r} names a part twice.")
        for method, what in _DECIDED_ONCE.items():
            base = getattr(Part, method)
            self._once(what, [p for p in self.parts if getattr(type(p), method) is not base])
        for kind in set(self.adds):
            self._once(f"the {kind} images", [part for part in self.parts if part.adds == kind])
        if self.halves and self.adds:
            raise BadInput(f"arm {self.name!r} leaves images out and adds some. Do one of both.")
        last = [part.corrects for part in self.parts]
        if last != sorted(last):
            raise BadInput(f"arm {self.name!r}: what corrects logits comes last in an arm's name.")

    def _once(self, what: str, parts: Sequence[Part]) -> None:
        if len(parts) > 1:
            names = " and ".join(part.name for part in parts)
            raise BadInput(f"arm {self.name!r}: {names} both decide {what}. Leave one out.")

    @cached_property
    def adds(self) -> tuple[str, ...]:
        """The kinds of images beside the real training images."""
        return tuple(part.adds for part in self.parts if part.adds is not None)

    @cached_property
    def halves(self) -> bool:
        """Whether the arm leaves real training images out."""
        return any(part.halves for part in self.parts)

    @property
    def images(self) -> tuple[object, ...]:
        """What tells its training images from those of other arms of the same dataset."""
        return (*self.adds, self.halves)

    @property
    def generative(self) -> bool:
        """Whether the arm trains on synthetic images."""
        return SYNTHETIC in self.adds

    @property
    def pastes(self) -> bool:
        """Whether frozen features are also taken of pasted images."""
        return any(part.pastes for part in self.parts)

    @property
    def tunes(self) -> frozenset[Knob]:
        """What validation chooses for the arm; nothing: the learning rate."""
        return frozenset(part.tunes for part in self.parts if part.tunes is not None)

    @property
    def corrects(self) -> str | None:
        """The arm whose logits this one corrects; None: it is trained itself."""
        if not any(part.corrects for part in self.parts):
            return None
        return self._name_less(lambda part: part.corrects)

    @property
    def without(self) -> str:
        """The trained arm that is left of this one without its synthetic images."""
        return self._name_less(lambda part: part.corrects or part.adds == SYNTHETIC)

    def _name_less(self, left_out: Callable[[Part], bool]) -> str:
        words = zip(self.name.split("+"), self.parts, strict=False)  # `real` has no part
        return "+".join(word for word, part in words if not left_out(part)) or BASELINE

    def train_rows(self, manifest: Manifest, share: float = 1.0) -> pd.DataFrame:
        """Return the manifest rows that the arm trains on, the real ones first.

        Args:
            manifest: real and synthetic images.
            share: of each class's synthetic images, in (0, 1].

        Raises:
            BadInput: no real training image, or none of those that a part adds.
        """
        import pandas as pd

        rows = manifest.usable("train")
        real = rows[rows["source"] == "real"]
        if real.empty:
            raise BadInput(
                f"{manifest.root}: no real image in split 'train'. Split the dataset first."
            )
        for part in self.parts:
            real = part.kept_rows(real, rows)
        if not self.adds:
            return real
        added = [rows for part in self.parts for rows in part.added_rows(manifest, share)]
        return pd.concat([real, *added], ignore_index=True)

    def indices(self, examples: Labelled, step: Step, setting: Setting) -> Tensor:
        """Return the (batch_size,) examples that a step takes."""
        from classifier.arms.order import batch_indices

        for part in self.parts:
            if (chosen := part.indices(examples, step, setting)) is not None:
                return chosen
        return batch_indices(step.index, len(examples.labels), step.batch_size, step.seed)

    def partners(self, examples: Labelled, step: Step) -> Tensor | None:
        """Return the (batch_size,) further examples that `mixed` needs; None: none."""
        found = (part.partners(examples, step) for part in self.parts)
        return next((chosen for chosen in found if chosen is not None), None)

    def weights(self, examples: Labelled, counts: Sequence[int], setting: Setting) -> Tensor:
        """Return the (N,) float32 weight of each example in the loss."""
        import torch

        total = torch.ones(len(examples.labels))
        for part in self.parts:
            if (own := part.weights(examples, counts, setting)) is not None:
                total = total * own
        return total

    def synthetic_weight(self, setting: Setting) -> float:
        """Return what a synthetic image counts in the loss, where a real one counts 1."""
        total = 1.0
        for part in self.parts:
            total *= part.synthetic_weight(setting)
        return total

    def offsets(self, counts: Sequence[int], setting: Setting) -> Tensor:
        """Return (classes,) float32, added to the logits in training only."""
        import torch

        total = torch.zeros(len(counts))
        for part in self.parts:
            if (own := part.offsets(counts, setting)) is not None:
                total = total + own
        return total

    def pixels(self, images: LabelledImages, chosen: Tensor, draws: torch.Generator) -> Tensor:
        """Return a training batch of (B, C, H, W) levels, changed by one part after another."""
        batch = images.pixels[chosen]
        for part in self.parts:
            batch = part.pixels(batch, images, chosen, draws)
        return batch

    def mixed(
        self, batch: Batch, partners: Batch | None, n_classes: int, draws: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the inputs of a batch with their (B, n_classes) targets, one-hot if not mixed."""
        for part in self.parts:
            if (found := part.mixed(batch, partners, n_classes, draws)) is not None:
                return found
        return batch.inputs, batch.one_hot(n_classes)

    def seen(self, shares: Sequence[float]) -> list[float]:
        """Return the share of each class in the loss, of those of the images' weights in it."""
        found = list(shares)
        for part in self.parts:
            found = part.seen(found)
        return found

    def losses(self, logits: Tensor, targets: Tensor, setting: Setting) -> Tensor:
        """Return the (B,) loss of each example, by default the cross-entropy."""
        from torch.nn import functional

        for part in self.parts:
            if (found := part.losses(logits, targets, setting)) is not None:
                return found
        return functional.cross_entropy(logits, targets, reduction="none")

    def corrected(
        self, logits: np.ndarray, shares: Sequence[float], setting: Setting
    ) -> np.ndarray:
        """Return the (N, classes) logits of the arm, of those of the trained network."""
        for part in self.parts:
            logits = part.corrected(logits, shares, setting)
        return logits
