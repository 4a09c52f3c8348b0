"""What happens at which step: rate, images and augmentation, as functions of seed and step."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from classifier.config import ClassifierConfig
from terrabalance.seeds import generator_for
from terrabalance.symmetry import random_symmetries

_SMALLEST_CROP = 0.8  # side of the crop over side of the image


def learning_rate_at(step: int, config: ClassifierConfig) -> float:
    """Return the rate of `step` (from 0): linear warm-up over 5 %, then a cosine to 0."""
    warm_up = max(1, round(0.05 * config.steps))
    if step < warm_up:
        return config.learning_rate * (step + 1) / warm_up
    done_share = (step - warm_up) / max(1, config.steps - warm_up)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * done_share))


def batch_indices(step: int, n: int, batch_size: int, seed: int) -> Tensor:
    """Return the (batch_size,) indices of `step`: permutation after permutation of n images."""
    first, last = step * batch_size, (step + 1) * batch_size
    epochs = range(first // n, (last - 1) // n + 1)
    orders = [
        torch.randperm(n, generator=generator_for("classifier", "order", seed, epoch))
        for epoch in epochs
    ]
    return torch.cat(orders)[first - epochs[0] * n :][:batch_size]


def weighted_indices(
    step: int, labels: Tensor, batch_size: int, seed: int, strength: float
) -> Tensor:
    """Return the (batch_size,) indices of `step`, drawn with replacement, rare classes more often.

    Args:
        step: from 0.
        labels: (N,) int64.
        batch_size: images a step.
        seed: of the draws.
        strength: a class of n images is drawn with a chance in proportion to n ** (1 - strength).
    """
    chance = torch.bincount(labels).double().pow(-strength)[labels]
    draws = generator_for("classifier", "oversample", seed, step)
    return torch.multinomial(chance, batch_size, replacement=True, generator=draws)


def augment(images: Tensor, generator: torch.Generator, symmetries: bool) -> Tensor:
    """Turn and mirror (N, 3, S, S) at random, then crop 80 to 100 % of the side anywhere."""
    if symmetries:
        images = random_symmetries(images, generator)
    draws = torch.rand(3, len(images), generator=generator).to(images.device)
    scale = _SMALLEST_CROP + (1 - _SMALLEST_CROP) * draws[0]
    shift = (2 * draws[1:] - 1) * (1 - scale)
    zero = torch.zeros_like(scale)
    rows = [torch.stack(row, dim=1) for row in ((scale, zero, shift[0]), (zero, scale, shift[1]))]
    field_of_view = functional.affine_grid(
        torch.stack(rows, dim=1), list(images.shape), align_corners=False
    )
    return functional.grid_sample(
        images, field_of_view, padding_mode="reflection", align_corners=False
    )
