"""Levels (`terrabalance.bands`) to what networks take, and back."""

import numpy as np
import torch
from torch import Tensor


def centred(levels: Tensor) -> Tensor:
    """Map levels, uint8 or uint16 in full range, to float32 in [-1, 1]."""
    return levels.float().div_(torch.iinfo(levels.dtype).max / 2).sub_(1)


def to_levels(images: Tensor, level_type: np.dtype | type) -> np.ndarray:
    """Map floats in [-1, 1] to levels, rounding to the nearest, on the CPU."""
    top = np.iinfo(level_type).max
    scaled = images.clamp(-1, 1).add(1).mul(top / 2).round()
    return scaled.cpu().numpy().astype(level_type)
