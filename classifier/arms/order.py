"""The usual order of training images: every image once, then all again in another order."""

import torch
from torch import Tensor

from terrabalance.seeds import generator_for


def batch_indices(step: int, n: int, batch_size: int, seed: int) -> Tensor:
    """Return the (batch_size,) indices of `step`: permutation after permutation of n images."""
    first, last = step * batch_size, (step + 1) * batch_size
    epochs = range(first // n, (last - 1) // n + 1)
    orders = [
        torch.randperm(n, generator=generator_for("classifier", "order", seed, epoch))
        for epoch in epochs
    ]
    return torch.cat(orders)[first - epochs[0] * n :][:batch_size]
