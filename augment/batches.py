"""Training batches of one class as a function of (seed, class, step)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from augment.condition import forget_some
from terrabalance.bands import centred
from terrabalance.seeds import generator_for
from terrabalance.symmetry import random_symmetries


class Batch(NamedTuple):
    """What one forward pass needs, on the CPU.

    Attributes:
        images: (B, C, H, W) float32 in [-1, 1].
        times: (B,) int64 timesteps.
        noise: standard normal, shaped as `images`.
        labels: (B,) int64 classes.
    """

    images: Tensor
    times: Tensor
    noise: Tensor
    labels: Tensor


class BatchSource:
    """Shuffled epochs over the images, with symmetries, timesteps and noise.

    Nothing is remembered between two batches: batch k is the same whether the batches before it
    were drawn or not, which is what makes a resumed training exact.

    Args:
        images: (N, C, H, W) levels, see `terrabalance.bands`.
        labels: (N,) int64.
        batch_size: images a batch; an epoch runs on into the next one.
        symmetries: those of `terrabalance.symmetry` that an image may be turned by.
        timesteps: of the diffusion process.
        label_dropout: share of the labels replaced by `any_class`.
        any_class: see `augment.condition`.
        key: names the stream, e.g. (seed, "train", class).
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
        key: tuple[str | int, ...],
    ) -> None:
        self._images, self._labels = torch.from_numpy(images), torch.from_numpy(labels)
        self._batch_size, self._timesteps, self._key = batch_size, timesteps, key
        self._symmetries = symmetries
        self._label_dropout, self._any_class = label_dropout, any_class

    def __getitem__(self, index: int) -> Batch:
        """Return batch `index`."""
        draw, chosen = generator_for(*self._key, index), self._indices(index)
        images = centred(self._images[chosen])
        images = random_symmetries(images, draw, self._symmetries)
        times = torch.randint(self._timesteps, (self._batch_size,), generator=draw)
        noise = torch.randn(images.shape, generator=draw)
        labels = forget_some(self._labels[chosen], self._any_class, self._label_dropout, draw)
        return Batch(images, times, noise, labels)

    def _indices(self, index: int) -> Tensor:
        first, n = index * self._batch_size, len(self._images)
        epochs = range(first // n, (first + self._batch_size - 1) // n + 1)
        order = torch.cat(
            [torch.randperm(n, generator=generator_for(*self._key, "epoch", e)) for e in epochs]
        )
        return order[first % n :][: self._batch_size]
