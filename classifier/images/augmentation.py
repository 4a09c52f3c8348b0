"""The augmentation of every arm: symmetries of the square, and crops."""

import torch
from torch import Tensor
from torch.nn import functional

from terrabalance.symmetry import random_symmetries

_SMALLEST_CROP = 0.8  # side of the crop over side of the image


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
