"""The eight symmetries of the square: label-preserving for images taken from above."""

from collections.abc import Sequence

import torch
from torch import Tensor

from terrabalance.device import send

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
    """Apply to each of (N, C, H, W) one of the symmetries `among`, drawn uniformly.

    One gather for the whole batch: to pick out the images of one symmetry after the other, the
    host would have to wait for the device to count them.

    Args:
        images: of any dtype, on any device.
        generator: on the CPU.
        among: numbers of `apply_symmetry`.
    """
    draws = torch.randint(len(among), (len(images),), generator=generator)
    height, width = images.shape[-2:]
    pixels = torch.arange(height * width, device=images.device).reshape(height, width)
    taken = torch.stack([apply_symmetry(pixels, which) for which in among]).flatten(1)
    index = taken[send(draws, images.device)][:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, index).reshape(images.shape)
