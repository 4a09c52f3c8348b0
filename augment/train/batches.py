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
        n_unlabelled: of the images, the last of all; they are drawn as often as the others, and
            where they are more than those, they are half of what is drawn.
    """

    key: tuple[str | int, ...]
    batch_size: int
    timesteps: int
    symmetries: tuple[int, ...] = (0,)
    augment: float = 0.0
    label_dropout: float = 0.0
    any_class: int = 0
    n_unlabelled: int = 0


def n_in_an_epoch(n_labelled: int, n_unlabelled: int) -> int:
    """Return how many images are drawn until each with a label was drawn once, see `BatchSpec`."""
    return n_labelled + min(n_labelled, n_unlabelled) if n_labelled else n_unlabelled


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
        size, n_unlabelled = self._spec.batch_size, self._spec.n_unlabelled
        first, n_labelled = index * size, len(self._images) - n_unlabelled
        if not (n_labelled and n_unlabelled):
            return self._in_epochs("epoch", len(self._images), first, size)
        # Each place in the endless row of drawn images has its kind, whatever the batches are.
        n_all = n_in_an_epoch(n_labelled, n_unlabelled)
        before = torch.arange(first, first + size + 1) * (n_all - n_labelled) // n_all
        is_unlabelled = before.diff() > 0
        n_before, n_here = int(before[0]), int(is_unlabelled.sum())
        chosen = torch.empty(size, dtype=torch.int64)
        chosen[~is_unlabelled] = self._in_epochs(
            "epoch", n_labelled, first - n_before, size - n_here
        )
        others = self._in_epochs("unlabelled epoch", n_unlabelled, n_before, n_here)
        chosen[is_unlabelled] = n_labelled + others
        return chosen

    def _in_epochs(self, name: str, n: int, first: int, count: int) -> Tensor:
        """Return `count` of n places from `first` on, in epochs that are shuffled each by itself.

        Args:
            name: of the random stream of their orders.
            n: places in an epoch.
            first: places drawn before.
            count: places wanted; 0 gives none.
        """
        if not count:
            return torch.empty(0, dtype=torch.int64)
        key = self._spec.key
        epochs = range(first // n, (first + count - 1) // n + 1)
        orders = [torch.randperm(n, generator=generator_for(*key, name, e)) for e in epochs]
        return torch.cat(orders)[first % n :][:count]
