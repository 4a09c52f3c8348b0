"""Small changes of the training images that the network is told of, so that it does not draw them.

As in appendix F of arXiv:2206.00364, with changes that a flight could have made: where the camera
was, how high, and how bright the day.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from terrabalance.device import send

# Standard deviations of the changes, half of the paper's; what is drawn beyond twice that is cut.
_SHIFT = 1 / 16  # of the height and of the width
_ZOOM = 0.1  # of log2 of the scale
_BRIGHTNESS = 0.1  # where black is -1 and white 1
_CONTRAST = 0.25  # of log2 of the factor
N_CHANGES = 5  # down, right, zoom, brightness, contrast


def random_augmentation(
    images: Tensor, generator: torch.Generator, probability: float
) -> tuple[Tensor, Tensor]:
    """Change images at random; each kind of change befalls each image with `probability`.

    Args:
        images: (N, C, H, W) float32 in [-1, 1], any number of bands.
        generator: on the CPU.
        probability: in [0, 1].

    Returns:
        The changed images, which may leave [-1, 1] a little, mirrored where they were moved
        beyond their borders; and (N, 5) float32 what was done, in standard deviations.
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
