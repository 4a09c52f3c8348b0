"""Training batches of one class as a function of (seed, class, step)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from augment.network.augmentation import random_augmentation
from augment.network.conditioning import forget_some
from terrabalance.device import has_room_for_data, send
from terrabalance.levels import centred
from terrabalance.seeds import generator_for, seed_for
from terrabalance.symmetry import random_symmetries


class Batch(NamedTuple):
    """What one forward pass needs, on the device that trains.

    Attributes:
        images: (B, C, H, W) float32 in [-1, 1], augmented ones a little beyond it.
        times: (B,) int64 timesteps.
        noise: standard normal, shaped as `images`.
        labels: (B,) int64 classes.
        changes: (B, 5) float32, how the images were augmented; see `augment.network.augmentation`.
    """

    images: Tensor
    times: Tensor
    noise: Tensor
    labels: Tensor
    changes: Tensor


class BatchSource:
    """Shuffled epochs over the images, with symmetries, augmentation, timesteps and noise.

    Nothing is remembered between two batches: batch k is the same whether the batches before it
    were drawn or not, which is what makes a resumed training exact. The noise is drawn where it
    is used: a CPU core draws 200 million numbers a second, and a GPU would wait for it. All else
    is drawn on the CPU.

    Args:
        images: (N, C, H, W) levels, see `terrabalance.bands`.
        labels: (N,) int64.
        batch_size: images a batch; an epoch runs on into the next one.
        symmetries: those of `terrabalance.symmetry` that an image may be turned by.
        timesteps: of the diffusion process.
        label_dropout: share of the labels replaced by `any_class`.
        any_class: see `augment.network.conditioning`.
        augment: probability of each change of `augment.network.augmentation`.
        key: names the stream, e.g. (seed, "train", class).
        device: gets the batches. The images move there once, or stay on the host and follow batch
            by batch, see `terrabalance.device.has_room_for_data`; the batches are the same.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        symmetries: Sequence[int],
        timesteps: int,
        label_dropout: float,
        any_class: int,
        augment: float,
        key: tuple[str | int, ...],
        device: torch.device,
    ) -> None:
        self._images, self._labels = torch.from_numpy(images), torch.from_numpy(labels)
        if has_room_for_data(images.nbytes, device):
            self._images = self._images.to(device)
        self._device = device
        self._batch_size, self._timesteps, self._key = batch_size, timesteps, key
        self._symmetries = symmetries
        self._label_dropout, self._any_class = label_dropout, any_class
        self._augment = augment

    def __getitem__(self, index: int) -> Batch:
        """Return batch `index`."""
        draw, chosen = generator_for(*self._key, index), self._indices(index)
        # Turned as levels: a quarter or half of the memory traffic of floats.
        images = random_symmetries(self._gather(chosen), draw, self._symmetries)
        images = centred(images)
        times = torch.randint(self._timesteps, (self._batch_size,), generator=draw)
        noise = self._noise(images.shape, draw, index)
        labels = forget_some(self._labels[chosen], self._any_class, self._label_dropout, draw)
        # Last, so that all else is the same with and without.
        images, changes = random_augmentation(images, draw, self._augment)
        times, labels = send(times, self._device), send(labels, self._device)
        return Batch(images, times, noise, labels, changes)

    def _gather(self, chosen: Tensor) -> Tensor:
        if self._images.device.type == "cpu":
            return send(self._images[chosen], self._device)
        return self._images[send(chosen, self._device)]

    def _noise(self, shape: torch.Size, draw: torch.Generator, index: int) -> Tensor:
        if self._device.type != "cpu":
            seed = seed_for(*self._key, "noise", index)
            draw = torch.Generator(self._device).manual_seed(seed)
        return torch.randn(shape, generator=draw, device=self._device)

    def _indices(self, index: int) -> Tensor:
        first, n = index * self._batch_size, len(self._images)
        epochs = range(first // n, (first + self._batch_size - 1) // n + 1)
        order = torch.cat(
            [torch.randperm(n, generator=generator_for(*self._key, "epoch", e)) for e in epochs]
        )
        return order[first % n :][: self._batch_size]
