"""The base of every part of an arm: all that a part may change, and by default leaves as it is.

A part is a class of its own, in a file of its own. It overrides the methods for what it changes;
`classifier.arms.arm.Arm` joins the parts of an arm. Settings are checked before torch is imported,
so a part imports torch, NumPy and pandas inside its methods only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch
    from torch import Tensor

    from classifier.arms.setting import Setting
    from classifier.images.loading import LabelledImages
    from terrabalance.manifest import Manifest

SYNTHETIC = "synthetic"  # images from a generator, among those that a part adds
Knob = Literal["share", "strength", "weight"]  # fields of `classifier.arms.setting.Setting`


class Labelled(Protocol):
    """The training examples of a trial, as far as a part may know them."""

    @property
    def labels(self) -> Tensor:
        """(N,) int64."""

    @property
    def synthetic(self) -> Tensor:
        """(N,) bool."""


@dataclass(frozen=True)
class Step:
    """One optimizer step.

    Attributes:
        index: from 0.
        total: steps of the trial.
        batch_size: images a step.
        seed: of the trial.
    """

    index: int
    total: int
    batch_size: int
    seed: int


@dataclass(frozen=True)
class Batch:
    """The inputs of a step with their labels.

    Attributes:
        inputs: (B, C, S, S) images or (B, D) features, on the network's device.
        labels: (B,) int64, on the same device.
    """

    inputs: Tensor
    labels: Tensor

    def one_hot(self, n_classes: int) -> Tensor:
        """Return the (B, n_classes) float32 targets of the labels, which are below `n_classes`."""
        from torch.nn import functional

        return functional.one_hot(self.labels, n_classes).float()


class Part:
    """A part of an arm that changes nothing; the parts derive from it.

    Attributes:
        name: in the names of arms.
        label: in reports.
        does: in the sentence that recommends an arm: what is trained with, or, of a part that adds
            images, what is trained on beside the real ones.
        adds: which images it adds to the real training images (`added_rows`); None: none.
        halves: whether it leaves real training images out (`kept_rows`).
        tunes: what validation chooses for it, see `classifier.arms.tuning`; None: nothing.
        corrects: whether it corrects the logits of a trained network (`corrected`). Such an arm is
            not trained; it reads the arm that the other parts make.
        pastes: whether features of frozen networks are also taken of pasted images, where `pixels`
            pastes them.
        mixes_pairs: whether `mixed` needs batches of an even size.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    does: ClassVar[str]
    adds: ClassVar[str | None] = None
    halves: ClassVar[bool] = False
    tunes: ClassVar[Knob | None] = None
    corrects: ClassVar[bool] = False
    pastes: ClassVar[bool] = False
    mixes_pairs: ClassVar[bool] = False

    def kept_rows(self, real: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
        """Return those of the real training images that it trains on.

        Args:
            real: manifest rows of the real training images.
            train: of all training images, synthetic ones too.
        """
        return real

    def added_rows(self, manifest: Manifest, share: float) -> list[pd.DataFrame]:
        """Return the manifest rows that it trains on beside the real training images.

        Args:
            manifest: of the dataset.
            share: of the synthetic images, in (0, 1].

        Raises:
            BadInput: there are none of the images that it needs.
        """
        return []

    def indices(self, examples: Labelled, step: Step, setting: Setting) -> Tensor | None:
        """Return the (batch_size,) examples that a step takes; None: the usual order.

        The result is a function of its arguments alone, so that a resumed trial equals one that
        was not interrupted.
        """
        return None

    def partners(self, examples: Labelled, step: Step) -> Tensor | None:
        """Return (batch_size,) further examples for `mixed`; None: it needs none.

        A function of its arguments alone, as `indices`.
        """
        return None

    def weights(self, examples: Labelled, counts: Sequence[int], setting: Setting) -> Tensor | None:
        """Return the (N,) float32 weight of each example in the loss; None: 1.

        Weights of several parts are multiplied.

        Args:
            examples: N of them.
            counts: training images of each class, in label order.
            setting: of the trial.
        """
        return None

    def synthetic_weight(self, setting: Setting) -> float:
        """Return what a synthetic image counts in the loss, where a real one counts 1."""
        return 1.0

    def offsets(self, counts: Sequence[int], setting: Setting) -> Tensor | None:
        """Return (classes,) float32, added to the logits in training only; None: 0.

        Offsets of several parts are added up. Arguments as of `weights`.
        """
        return None

    def pixels(
        self, batch: Tensor, images: LabelledImages, chosen: Tensor, draws: torch.Generator
    ) -> Tensor:
        """Change a training batch on the CPU, before resizing; parts act in the arm's order.

        Args:
            batch: (B, C, H, W) levels.
            images: all training images.
            chosen: (B,) places of the batch in `images`.
            draws: on the CPU.
        """
        return batch

    def mixed(
        self, batch: Batch, partners: Batch | None, n_classes: int, draws: torch.Generator
    ) -> tuple[Tensor, Tensor] | None:
        """Return mixed inputs with their (B, n_classes) soft labels; None: not mixed.

        Args:
            batch: of the step.
            partners: as many examples, those of `partners`.
            n_classes: labels are below it.
            draws: on the CPU.
        """
        return None

    def seen(self, shares: Sequence[float]) -> list[float]:
        """Return the shares of the classes in the loss, where mixing changes them.

        Args:
            shares: of each class without it, in label order.
        """
        return list(shares)

    def losses(self, logits: Tensor, targets: Tensor, setting: Setting) -> Tensor | None:
        """Return the (B,) loss of each example; None: cross-entropy.

        Args:
            logits: (B, classes) float32, offsets included.
            targets: (B, classes) soft labels, smoothed.
            setting: of the trial.
        """
        return None

    def corrected(
        self, logits: np.ndarray, shares: Sequence[float], setting: Setting
    ) -> np.ndarray:
        """Return corrected logits of a trained network.

        Args:
            logits: (N, classes) float32.
            shares: of each class in the training loss, in label order, above 0.
            setting: of the arm.
        """
        return logits
