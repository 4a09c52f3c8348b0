"""The eight symmetries of the square: label-preserving for images taken from above."""

from collections.abc import Sequence

import torch
from torch import Tensor

N_SYMMETRIES = 8


def apply_symmetry(images: Tensor, which: int) -> Tensor:
    """Apply one of the eight symmetries to (..., H, W): quarter turns 0-3, mirrored 4-7.

    `which` 0 is the identity.
    """
    turned = torch.rot90(images, which % 4, dims=(-2, -1))
    return turned.flip(-1) if which >= 4 else turned


def keep_shape(height: int, width: int) -> tuple[int, ...]:
    """Return the symmetries that leave a (height, width) image so: all eight, or four."""
    return tuple(range(N_SYMMETRIES)) if height == width else (0, 2, 4, 6)


def random_symmetries(
    images: Tensor, generator: torch.Generator, among: Sequence[int] = range(N_SYMMETRIES)
) -> Tensor:
    """Apply to each of (N, C, H, W) one of the symmetries `among`, drawn uniformly."""
    draws = torch.randint(len(among), (len(images),), generator=generator).to(images.device)
    out = torch.empty_like(images)
    for place, which in enumerate(among):
        chosen = draws == place
        out[chosen] = apply_symmetry(images[chosen], which)
    return out
