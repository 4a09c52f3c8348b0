"""Training batches of one class as a function of (seed, class, step)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from augment.network.augmentation import random_augmentation
from augment.network.conditioning import drop_labels
from terrabalance.device import has_room_for_data, send
from terrabalance.levels import centred
from terrabalance.seeds import generator_for, seed_for
from terrabalance.symmetry import random_symmetries


class Batch(NamedTuple):
    """The tensors of one forward pass, on the device that trains.

    Attributes:
        images: (B, C, H, W) float32 in [-1, 1], a little beyond where they are augmented.
        times: (B,) int64 timesteps.
        noise: standard normal, shaped as `images`.
        labels: (B,) int64 classes.
        augmentation: (B, 5) float32, in standard deviations; see `augment.network.augmentation`.
    """

    images: Tensor
    times: Tensor
    noise: Tensor
    labels: Tensor
    augmentation: Tensor


@dataclass(frozen=True)
class BatchSpec:
    """How batches are drawn.

    Attributes:
        key: names the random stream, e.g. (seed, "train", class).
        batch_size: images in each batch; an epoch runs on into the next one.
        timesteps: of the diffusion process.
        symmetries: those of `terrabalance.symmetry` that an image may be turned by.
        augment: probability of each change of `augment.network.augmentation`.
        label_dropout: share of the labels replaced by `any_class`.
        any_class: label that stands for any class, see `augment.network.conditioning`.
    """

    key: tuple[str | int, ...]
    batch_size: int
    timesteps: int
    symmetries: tuple[int, ...] = (0,)
    augment: float = 0.0
    label_dropout: float = 0.0
    any_class: int = 0


class BatchSource:
    """Shuffled epochs over the images, with symmetries, augmentation, timesteps and noise.

    No state is kept between two batches: batch k is the same whether the batches before it were
    drawn or not, which makes a resumed training exact. The noise is drawn on the device: a CPU core
    draws 200 million numbers a second, and a GPU would wait for it. All else is drawn on the CPU.

    Args:
        images: (N, C, H, W) levels, see `terrabalance.bands`.
        labels: (N,) int64.
        spec: how batches are drawn.
        device: of the batches. The images move there once, or stay on the host and follow batch by
            batch, see `terrabalance.device.has_room_for_data`; the batches are the same.
    """

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, spec: BatchSpec, device: torch.device
    ) -> None:
        self._images, self._labels = torch.from_numpy(images), torch.from_numpy(labels)
        if has_room_for_data(images.nbytes, device):
            self._images = self._images.to(device)
        self._spec, self._device = spec, device

    def __getitem__(self, index: int) -> Batch:
        """Return batch `index`."""
        spec, chosen = self._spec, self._indices(index)
        draw = generator_for(*spec.key, index)
        # Turned as levels: a quarter or half of the memory traffic of floats.
        images = random_symmetries(self._gather(chosen), draw, spec.symmetries)
        images = centred(images)
        times = torch.randint(spec.timesteps, (spec.batch_size,), generator=draw)
        noise = self._noise(images.shape, draw, index)
        labels = drop_labels(self._labels[chosen], spec.any_class, spec.label_dropout, draw)
        # Last, so that all else is the same with and without.
        images, augmentation = random_augmentation(images, draw, spec.augment)
        times, labels = send(times, self._device), send(labels, self._device)
        return Batch(images, times, noise, labels, augmentation)

    def _gather(self, chosen: Tensor) -> Tensor:
        if self._images.device.type == "cpu":
            return send(self._images[chosen], self._device)
        return self._images[send(chosen, self._device)]

    def _noise(self, shape: torch.Size, draw: torch.Generator, index: int) -> Tensor:
        if self._device.type != "cpu":
            seed = seed_for(*self._spec.key, "noise", index)
            draw = torch.Generator(self._device).manual_seed(seed)
        return torch.randn(shape, generator=draw, device=self._device)

    def _indices(self, index: int) -> Tensor:
        key, size, n = self._spec.key, self._spec.batch_size, len(self._images)
        first = index * size
        epochs = range(first // n, (first + size - 1) // n + 1)
        orders = [torch.randperm(n, generator=generator_for(*key, "epoch", e)) for e in epochs]
        return torch.cat(orders)[first % n :][:size]
