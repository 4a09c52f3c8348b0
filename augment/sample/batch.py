"""Draw a batch of images as arrays, each from its own seed."""

from collections.abc import Sequence

import numpy as np
import torch
from denoising_diffusion_pytorch import GaussianDiffusion
from torch import Tensor

from augment.config import SamplingConfig
from augment.sample.samplers import Begin, timesteps, trajectory
from augment.sample.starts import colour_starts, kept_parts, real_starts
from terrabalance.levels import to_levels
from terrabalance.seeds import generator_of


def draw_batch(
    diffusion: GaussianDiffusion,
    seeds: Sequence[int],
    config: SamplingConfig,
    device: torch.device,
    level_type: np.dtype | type = np.uint8,
    frames: int = 0,
    starts: np.ndarray | None = None,
    colours: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one image for each seed.

    Every image has its own random generator, so an image does not depend on its neighbours in
    the batch (beyond float rounding where another batch size chooses another kernel).

    Args:
        diffusion: the model, in evaluation mode.
        seeds: one for each image.
        config: sampler, steps and, with `starts`, strength and keep.
        device: to draw on.
        level_type: integer dtype of the images.
        frames: stages of the first image to return.
        starts: (N, C, H, W) levels of real images. Each image starts from one of them, turned at
            random, and keeps a part of it where `config.keep` is above 0.
        colours: (N, C) float32 in [-1, 1], mean colours of real images. Without `starts`, each
            image starts from one of them, noised so far that little else of an image would show.
            With neither, images start from pure noise.

    Returns:
        (B, C, H, W) images as levels (`terrabalance.bands`), and (frames, C, H, W) stages of the
        first image from noise to image (empty for `frames=0`).
    """
    side = diffusion.image_size
    draws = [generator_of(seed) for seed in seeds]

    def noise() -> Tensor:
        each = [torch.randn((diffusion.channels, *side), generator=draw) for draw in draws]
        return torch.stack(each).to(device)

    start = kept = None
    begin: Begin = "noise"
    if starts is not None:
        start, begin = real_starts(torch.from_numpy(starts), draws).to(device), "real"
        kept = kept_parts(config.keep, side, draws).to(device) if config.keep else None
    elif colours is not None:
        start, begin = colour_starts(colours, side, draws).to(device), "colours"
    n_calls = len(timesteps(diffusion, config, begin))
    shown = np.linspace(0, n_calls, frames).round().astype(int).tolist()
    stages: list[Tensor] = []
    with torch.inference_mode():
        for call, images in enumerate(trajectory(diffusion, noise, config, start, kept, begin)):
            # A copy: a view would keep the whole batch of every call in memory.
            stages += [images[:1].clone()] * shown.count(call)
    strip = torch.cat(stages) if frames else images[:0]
    return to_levels(images, level_type), to_levels(strip, level_type)
