"""Slight augmentations of the training images, on which the network is conditioned.

Conditioned on them, it does not draw them (appendix F of arXiv:2206.00364). They are differences
between flights: position and height of the camera, brightness of the day.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from terrabalance.device import send

# Standard deviations, half of the paper's; draws are clamped to twice that.
_SHIFT = 1 / 16  # of the height and of the width
_ZOOM = 0.1  # of log2 of the scale
_BRIGHTNESS = 0.1  # where black is -1 and white 1
_CONTRAST = 0.25  # of log2 of the factor
N_CHANGES = 5  # down, right, zoom, brightness, contrast


def random_augmentation(
    images: Tensor, generator: torch.Generator, probability: float
) -> tuple[Tensor, Tensor]:
    """Augment images at random, by each kind of change with `probability`.

    Args:
        images: (N, C, H, W) float32 in [-1, 1], any number of bands.
        generator: on the CPU.
        probability: in [0, 1].

    Returns:
        The augmented images, which may leave [-1, 1] a little and are mirrored beyond their old
        borders; and (N, 5) float32, the changes in standard deviations.
    """
    shape = (len(images), N_CHANGES)
    if not probability:
        return images, torch.zeros(shape, device=images.device)
    changes = torch.randn(shape, generator=generator).clamp(-2, 2)
    changes *= torch.rand(shape, generator=generator) < probability
    # By whole pixels: moving by less than one would blur.
    steps = _SHIFT * torch.tensor(images.shape[-2:])
    changes[:, :2] = (changes[:, :2] * steps).round() / steps
    changes = send(changes, images.device)
    down, right, zoom, brightness, contrast = changes.unbind(1)
    moved = _move(images, 2 * _SHIFT * down, 2 * _SHIFT * right, 2 ** (_ZOOM * zoom))
    changed = moved * _each(2 ** (_CONTRAST * contrast)) + _each(_BRIGHTNESS * brightness)
    return changed, changes


def _move(images: Tensor, down: Tensor, right: Tensor, scale: Tensor) -> Tensor:
    """Enlarge about the centre and move, in units of half a height and half a width."""
    zero = torch.zeros_like(scale)
    rows = [1 / scale, zero, -right / scale, zero, 1 / scale, -down / scale]
    theta = torch.stack(rows, 1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _each(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)
