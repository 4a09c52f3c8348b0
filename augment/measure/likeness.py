"""Find training images that come again, turned, mirrored, recoloured or encoded anew.

Two images are compared by their structure: brightness (mean over the bands) and strength of the
edges, each as a correlation at `SIDE_PX`, so that another colour, contrast or codec changes little.
All eight symmetries of the square are tried.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from terrabalance.errors import BadInput
from terrabalance.symmetry import apply_symmetry, keep_shape

SIDE_PX = 32


def sketches(images: np.ndarray) -> Tensor:
    """Reduce (N, C, H, W) levels to (N, 2 D) float32 rows whose dot products are likenesses.

    The two halves of a row are brightness and edges, each of mean 0 and length 1/sqrt(2): the dot
    product of two rows is the mean of their correlations, in [-1, 1].
    """
    levels = torch.from_numpy(images.astype(np.float32) / np.iinfo(images.dtype).max)
    height, width = (min(side, SIDE_PX) for side in levels.shape[-2:])
    small = functional.adaptive_avg_pool2d(levels, (height, width))
    down, right = small.diff(dim=-2)[..., :-1], small.diff(dim=-1)[..., :-1, :]
    edges = (down.square() + right.square()).sum(1).sqrt()
    return torch.cat([_unit(small.mean(1)), _unit(edges)], dim=1)


def _unit(planes: Tensor) -> Tensor:
    flat = planes.flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    return flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-6) / 2**0.5


def likeness(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the likeness of every image to every other over the symmetries; (N, M) float32.

    Args:
        images: (N, C, H, W) levels.
        others: (M, C, H, W) levels of the same shape.

    Raises:
        BadInput: the shapes differ.
    """
    if images.shape[1:] != others.shape[1:]:
        raise BadInput(f"images of shape {images.shape[1:]} against {others.shape[1:]}.")
    own, tensor = sketches(images), torch.from_numpy(np.ascontiguousarray(others))
    best = torch.full((len(images), len(others)), -1.0)
    for which in keep_shape(*images.shape[-2:]):
        turned = sketches(apply_symmetry(tensor, which).numpy())
        best = torch.maximum(best, own @ turned.T)
    found: np.ndarray = best.numpy()
    return found
