"""timm's own strong augmentation (Wightman et al. 2021), repeatable step by step.

timm draws from Python's and NumPy's global generators. They are seeded for the time of a call, and
restored afterwards.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from PIL import Image
from timm.data.auto_augment import rand_augment_transform
from timm.data.mixup import Mixup
from torch import Tensor

_RECIPE = "rand-m6-mstd0.5-inc1"  # of timm's A2 and A3 recipes for ResNet
_MIXUP = 0.1
_CUTMIX = 1.0


def randomly_augmented(pixels: Tensor, draws: torch.Generator) -> Tensor:
    """Apply RandAugment to (N, 3, H, W) uint8; images of other bands or depth stay as they are."""
    if pixels.dtype != torch.uint8 or pixels.shape[1] != 3:
        return pixels
    transform = rand_augment_transform(_RECIPE, {"translate_const": pixels.shape[-1] // 4})
    with _seeded(draws):
        changed = [
            np.asarray(transform(Image.fromarray(image.permute(1, 2, 0).numpy())))
            for image in pixels
        ]
    return torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2).contiguous()


def mixed(
    inputs: Tensor, labels: Tensor, n_classes: int, draws: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mix pairs of a batch by mixup (Zhang et al. 2018) or CutMix (Yun et al. 2019).

    Args:
        inputs: (N, C, S, S) images or (N, D) features, N even. Features are never cut.
        labels: (N,) int64, on the same device.
        n_classes: labels are below it.
        draws: seeds the mixing.

    Returns:
        Inputs and the (N, n_classes) soft labels, not smoothed.
    """
    cutmix = _CUTMIX if inputs.ndim == 4 else 0.0
    mix = Mixup(_MIXUP, cutmix, label_smoothing=0.0, num_classes=n_classes, prob=1.0)
    with _seeded(draws):
        images, soft = mix(inputs, labels)
    return images, soft


@contextmanager
def _seeded(draws: torch.Generator) -> Iterator[None]:
    words = torch.randint(2**31, (4,), generator=draws).numpy()
    before = random.getstate(), np.random.get_state()
    random.seed(words.tobytes())
    np.random.seed(words)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
