"""Training batches of one class as a function of (seed, class, step)."""

import numpy as np
import torch
from torch import Tensor

from terrabalance.seeds import generator_for
from terrabalance.symmetry import random_symmetries


class BatchSource:
    """Shuffled epochs over one class, with symmetries, timesteps and noise.

    Nothing is remembered between two batches: batch k is the same whether the batches before it
    were drawn or not, which is what makes a resumed training exact.

    Args:
        images: (N, C, S, S) uint8.
        batch_size: images a batch; an epoch runs on into the next one.
        n_symmetries: 1, 4 (quarter turns) or 8 (with mirrors) of the square's symmetries.
        timesteps: of the diffusion process.
        key: names the stream, e.g. (seed, "train", class).
    """

    def __init__(
        self,
        images: np.ndarray,
        batch_size: int,
        n_symmetries: int,
        timesteps: int,
        key: tuple[str | int, ...],
    ) -> None:
        self._images = torch.from_numpy(images)
        self._batch_size, self._timesteps, self._key = batch_size, timesteps, key
        self._n_symmetries = n_symmetries

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return (B, C, S, S) images in [-1, 1], (B,) timesteps, and noise, all on the CPU."""
        draw = generator_for(*self._key, index)
        images = self._images[self._indices(index)].float().div_(127.5).sub_(1)
        images = random_symmetries(images, draw, self._n_symmetries)
        times = torch.randint(self._timesteps, (self._batch_size,), generator=draw)
        return images, times, torch.randn(images.shape, generator=draw)

    def _indices(self, index: int) -> Tensor:
        first, n = index * self._batch_size, len(self._images)
        epochs = range(first // n, (first + self._batch_size - 1) // n + 1)
        order = torch.cat(
            [torch.randperm(n, generator=generator_for(*self._key, "epoch", e)) for e in epochs]
        )
        return order[first % n :][: self._batch_size]
