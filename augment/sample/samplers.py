"""From noise to image: the samplers, which walk the reverse process of a diffusion model.

A sampler is a row of `SAMPLERS`. A new one is a function, its row, and its name in
`augment.config.SamplerName`.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Literal

import torch
from denoising_diffusion_pytorch import GaussianDiffusion
from torch import Tensor

from augment.config import SamplerName, SamplingConfig
from augment.network.noise_schedule import signal_of
from augment.sample.multistep import Prediction, Solver

Noise = Callable[[], Tensor]
Begin = Literal["noise", "colours", "real"]  # what images start from
# Of [-1, 1]: a difference of colours that is as large as the deviation of the noise's own mean.
_COLOUR_SEEN = 0.2


@dataclass(frozen=True)
class Walk:
    """One batch on its way from noise to images.

    Attributes:
        diffusion: the model; its prediction of the clean image is clipped to [-1, 1].
        times: falling timesteps, one for each network call.
        images: (B, C, H, W) float32, noised to the first of `times`.
        noise: draws a standard normal (B, C, H, W), the same in every image's own order.
        eta: noise that `ddim` adds, in [0, 1].
        start: (B, C, H, W) clean images in [-1, 1], or None.
        kept: (B, 1, H, W), share of `start` that is kept at each place, in [0, 1]; None: nothing.
    """

    diffusion: GaussianDiffusion
    times: list[int]
    images: Tensor
    noise: Noise
    eta: float = 0.0
    start: Tensor | None = None
    kept: Tensor | None = None


@dataclass(frozen=True)
class Sampler:
    """A row of `SAMPLERS`.

    Attributes:
        walk: yields the images after each network call.
        times: returns the falling timesteps of so many network calls from a timestep down.
        every_timestep: the network is called at every timestep, whatever `sampling.steps` is.
        keeps: whether a part of a real image can be kept (`sampling.keep`).
    """

    walk: Callable[[Walk], Iterator[Tensor]]
    times: Callable[[GaussianDiffusion, int, int], list[int]]
    every_timestep: bool = False
    keeps: bool = False

    def n_calls(self, steps: int, n_timesteps: int) -> int:
        """Return the network calls of an image that passes so many timesteps."""
        return n_timesteps if self.every_timestep else min(steps, n_timesteps)


def timesteps(diffusion: GaussianDiffusion, config: SamplingConfig, begin: Begin) -> list[int]:
    """Return the falling timesteps of the network calls, one each.

    Args:
        diffusion: the model.
        config: sampler, steps and, for images that start from real ones, strength.
        begin: what the images start from.
    """
    sampler, first = SAMPLERS[config.sampler], diffusion.num_timesteps - 1
    if begin == "colours":
        first = colour_time(diffusion)
    times = sampler.times(diffusion, sampler.n_calls(config.steps, first + 1), first)
    return times[-max(1, round(config.strength * len(times))) :] if begin == "real" else times


def colour_time(diffusion: GaussianDiffusion) -> int:
    """Return the last timestep at which the mean colour of an image stands out from its noise.

    From it on less and less of the image does, and before it ever finer structure.
    """
    signal, n_pixels = signal_of(diffusion), math.prod(diffusion.image_size)
    noise = ((1 - signal) / signal / n_pixels).sqrt()  # of the mean, where colours are as they are
    return max(int((noise <= _COLOUR_SEEN).sum()) - 1, 0)


def trajectory(
    diffusion: GaussianDiffusion,
    noise: Noise,
    config: SamplingConfig,
    start: Tensor | None = None,
    kept: Tensor | None = None,
    begin: Begin = "noise",
) -> Iterator[Tensor]:
    """Yield (B, C, H, W) float32 in [-1, 1] after each network call, the noise first.

    Args:
        diffusion: the model; its prediction of the clean image is clipped to [-1, 1].
        noise: draws a standard normal (B, C, H, W), the same in every image's own order.
        config: sampler, steps, eta and strength.
        start: (B, C, H, W) clean images in [-1, 1], which are noised and denoised from there;
            None: the images start from pure noise.
        kept: (B, 1, H, W), share of `start` that is kept at each place, in [0, 1], by samplers
            that can; None: nothing.
        begin: what `start` is: `real` images are noised to `config.strength` of the way,
            `colours` to `colour_time`.
    """
    times = timesteps(diffusion, config, begin)
    images = noise()
    if start is not None:
        signal = diffusion.alphas_cumprod[times[0]]
        images = signal.sqrt() * start + (1 - signal).sqrt() * images
    yield images
    walk = Walk(diffusion, times, images, noise, config.eta, start, kept)
    yield from SAMPLERS[config.sampler].walk(walk)


def _every_time(diffusion: GaussianDiffusion, steps: int, first: int) -> list[int]:
    return list(reversed(range(first + 1)))


def _ancestral(walk: Walk) -> Iterator[Tensor]:
    """Take upstream's own steps (arXiv:2006.11239)."""
    images = walk.images
    for time in walk.times:
        times = torch.full((len(images),), time, device=images.device)
        mean, _, log_variance, _ = walk.diffusion.p_mean_variance(x=images, t=times)
        images = mean + (0.5 * log_variance).exp() * walk.noise() if time else mean
        yield images


def _even_times(diffusion: GaussianDiffusion, steps: int, first: int) -> list[int]:
    """Return the timesteps of upstream's ddim_sample: evenly spaced from `first` down, less -1."""
    times: list[int] = torch.linspace(-1, first, steps + 1).int().tolist()
    return times[:0:-1]


def _ddim(walk: Walk) -> Iterator[Tensor]:
    images = walk.images
    for time, after in pairwise([*walk.times, -1]):
        images = ddim_step(walk.diffusion, images, time, after, walk.eta, walk.noise)
        yield images


def ddim_step(
    diffusion: GaussianDiffusion, images: Tensor, time: int, after: int, eta: float, noise: Noise
) -> Tensor:
    """Step from one timestep to an earlier one; equation 12 of arXiv:2010.02502.

    Args:
        diffusion: the model.
        images: (B, C, H, W) float32, noised to `time`.
        time: timestep of the images.
        after: timestep to reach; -1: the clean image.
        eta: noise that is added, in [0, 1]; 1 gives the ancestral step.
        noise: draws a standard normal (B, C, H, W); unused with `eta` 0.
    """
    times = torch.full((len(images),), time, device=images.device)
    predicted_noise, clean = diffusion.model_predictions(
        images, times, clip_x_start=True, rederive_pred_noise=True
    )
    if after < 0:
        return clean
    now, then = diffusion.alphas_cumprod[time], diffusion.alphas_cumprod[after]
    sigma = eta * ((1 - now / then) * (1 - then) / (1 - now)).sqrt()
    images = clean * then.sqrt() + (1 - then - sigma**2).sqrt() * predicted_noise
    return images + sigma * noise() if eta else images


def _multistep(walk: Walk, *, corrects: bool) -> Iterator[Tensor]:
    solver, images = Solver(signal_of(walk.diffusion)), walk.images
    last = before = None
    for time, after in pairwise([*walk.times, -1]):
        clean = _clean(walk, images, time)
        if corrects and last is not None:
            images = solver.correct(last, before, time, clean)
        last, before = Prediction(time, images, clean), last
        images = clean if after < 0 else solver.predict(last, before, after)
        yield images


def _clean(walk: Walk, images: Tensor, time: int) -> Tensor:
    """Return the clean images that the network predicts, with what is kept."""
    times = torch.full((len(images),), time, device=images.device)
    clean: Tensor = walk.diffusion.model_predictions(images, times, clip_x_start=True).pred_x_start
    if walk.start is None or walk.kept is None:
        return clean
    return torch.lerp(clean, walk.start, walk.kept)


def even_snr_times(diffusion: GaussianDiffusion, steps: int, first: int | None = None) -> list[int]:
    """Return `steps` falling timesteps, even in the logarithm of the signal-to-noise ratio.

    They begin at `first`, by default at the last timestep, which is pure noise. Where the exact
    solution is known, 20 calls so spaced come within 0.4 % of it, evenly in time within 25 %: those
    leave the last, finest details to a single call.
    """
    log_snr, last = torch.logit(signal_of(diffusion)), diffusion.num_timesteps - 1
    first = last if first is None else first
    # The last timestep is far from its neighbour in this ratio.
    wanted = torch.linspace(float(log_snr[min(first, last - 1)]), float(log_snr[0]), steps)
    nearest = (log_snr - wanted[:, None]).abs().argmin(1).tolist()
    times = [first]
    for index, time in enumerate(nearest[1:], start=1):
        times.append(min(max(time, steps - 1 - index), times[-1] - 1))
    return times


SAMPLERS: dict[SamplerName, Sampler] = {
    "unipc": Sampler(partial(_multistep, corrects=True), even_snr_times, keeps=True),
    "dpm++": Sampler(partial(_multistep, corrects=False), even_snr_times, keeps=True),
    "ddim": Sampler(_ddim, _even_times),
    "ancestral": Sampler(_ancestral, _every_time, every_timestep=True),
}
