"""What a step trains on: images that are augmented anew each time, or their features."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from classifier.arms.arm import Arm
from classifier.images.augmentation import augment
from classifier.images.chroma import jittered, noise_from
from classifier.images.loading import LabelledImages, to_input
from terrabalance.device import send

_PREDICTED_AT_ONCE = 256


class Examples(Protocol):
    """Inputs of a network with their labels, in the order of the manifest's rows."""

    @property
    def labels(self) -> Tensor:
        """(N,) int64."""

    @property
    def synthetic(self) -> Tensor:
        """(N,) bool."""

    @property
    def paths(self) -> list[str]:
        """N paths relative to the manifest's root."""

    def augmented(self, chosen: Tensor, draws: torch.Generator) -> Tensor:
        """Return the chosen examples as the network sees them in training, on its device."""

    def plain(self) -> Iterator[Tensor]:
        """Yield all examples in order, batch by batch, as they are."""


@dataclass(frozen=True)
class PixelExamples:
    """Images, for training a whole network.

    Attributes:
        images: of one part.
        size_px: side of the network's input.
        mean, std: of the bands, see `classifier.network.model.normalisation`.
        device: of the network.
        symmetries: whether images are turned and mirrored in training.
        chroma: strength of `classifier.images.chroma.jittered` in training.
        arm: whose parts change the pixels in training; None: examples that are only predicted.
    """

    images: LabelledImages
    size_px: int
    mean: Sequence[float]
    std: Sequence[float]
    device: torch.device
    symmetries: bool
    chroma: float
    arm: Arm | None

    @property
    def labels(self) -> Tensor:
        """(N,) int64."""
        return self.images.labels

    @property
    def synthetic(self) -> Tensor:
        """(N,) bool."""
        return self.images.synthetic

    @property
    def paths(self) -> list[str]:
        """N paths relative to the manifest's root."""
        return self.images.paths

    def augmented(self, chosen: Tensor, draws: torch.Generator) -> Tensor:
        """Return (len(chosen), C, S, S): turned, mirrored, cropped and jittered at random."""
        images = self.images
        levels = self.arm.pixels(images, chosen, draws) if self.arm else images.pixels[chosen]
        pixels = send(levels, self.device)
        if self.chroma:
            noise = noise_from(draws, *pixels.shape[:2])
            pixels = jittered(pixels, self.chroma, noise)
        return augment(self._input(pixels), draws, self.symmetries)

    def plain(self) -> Iterator[Tensor]:
        """Yield (n, C, S, S)."""
        for pixels in torch.split(self.images.pixels, _PREDICTED_AT_ONCE):
            yield self._input(send(pixels, self.device))

    def _input(self, pixels: Tensor) -> Tensor:
        images = to_input(pixels, self.size_px, self.mean, self.std)
        return images.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class FeatureExamples:
    """Features of the views of each image, for a linear head.

    Attributes:
        features: (N, views, D) float16, see `classifier.network.views.Views`.
        labels: (N,) int64.
        synthetic: (N,) bool.
        paths: N paths relative to the manifest's root.
        device: of the head.
    """

    features: Tensor
    labels: Tensor
    synthetic: Tensor
    paths: list[str]
    device: torch.device

    def augmented(self, chosen: Tensor, draws: torch.Generator) -> Tensor:
        """Return (len(chosen), D): of each image one view at random."""
        views = torch.randint(self.features.shape[1], (len(chosen),), generator=draws)
        return send(self.features[chosen, views].float(), self.device)

    def plain(self) -> Iterator[Tensor]:
        """Yield (n, D) of the images as they are."""
        for features in torch.split(self.features[:, 0], _PREDICTED_AT_ONCE):
            yield send(features.float(), self.device)
