"""What drawn images start from: real images, parts of them that are kept, or their colours."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from terrabalance.levels import centred
from terrabalance.symmetry import apply_symmetry, keep_shape

_BORDER_PX = 4.0  # width of the transition from kept to drawn


def real_starts(starts: Tensor, draws: Sequence[torch.Generator]) -> Tensor:
    """Choose a real image, turned at random, for each image to start from.

    Args:
        starts: (N, C, H, W) levels of real images.
        draws: one generator for each image.

    Returns:
        (len(draws), C, H, W) float32 in [-1, 1].
    """
    among = keep_shape(*starts.shape[-2:])
    chosen = []
    for draw in draws:
        image, which = (
            int(torch.randint(n, (1,), generator=draw)) for n in (len(starts), len(among))
        )
        chosen.append(apply_symmetry(starts[image], among[which]))
    return centred(torch.stack(chosen))


def mean_colours(images: np.ndarray) -> np.ndarray:
    """Return the (N, C) float32 mean colours, in [-1, 1], of (N, C, H, W) levels."""
    return np.stack([centred(torch.from_numpy(each)).mean((1, 2)).numpy() for each in images])


def colour_starts(
    colours: np.ndarray, sides: tuple[int, int], draws: Sequence[torch.Generator]
) -> Tensor:
    """Choose a mean colour for each image to start from, the same at every place.

    Args:
        colours: (N, C) float32 in [-1, 1], of real images.
        sides: height and width of the image, px.
        draws: one generator for each image.

    Returns:
        (len(draws), C, height, width) float32 in [-1, 1].
    """
    chosen = [int(torch.randint(len(colours), (1,), generator=draw)) for draw in draws]
    return torch.from_numpy(colours[chosen])[:, :, None, None].expand(-1, -1, *sides)


def kept_parts(share: float, sides: tuple[int, int], draws: Sequence[torch.Generator]) -> Tensor:
    """Choose where each image keeps its start: a square with soft borders.

    Args:
        share: side of the square, as a share of the image's sides, in (0, 1).
        sides: height and width of the image, px.
        draws: one generator for each image.

    Returns:
        (len(draws), 1, height, width) float32 in [0, 1]; 1 is kept.
    """
    masks = []
    for draw in draws:
        axes = []
        for side in sides:
            length = share * side
            first = float(torch.rand((), generator=draw)) * (side - length)
            inside = torch.arange(side) + 0.5 - first
            axes.append((torch.minimum(inside, length - inside) / _BORDER_PX + 0.5).clamp(0, 1))
        masks.append(axes[0][:, None] * axes[1])
    return torch.stack(masks)[:, None]
