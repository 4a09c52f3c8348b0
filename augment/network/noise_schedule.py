"""Shift the noise schedule with the size of the images: more pixels need more noise."""

import math

import torch
from denoising_diffusion_pytorch import GaussianDiffusion
from torch import Tensor

_MIN_SNR_GAMMA = 5  # upstream's, from arXiv:2303.09556


def shift_noise_schedule(diffusion: GaussianDiffusion, base_size: int, min_snr: bool) -> None:
    """Shift the log SNR of every timestep by 2 log(base_size / side), in place (arXiv:2301.11093).

    Upstream takes a noise schedule by its name only, so every buffer that it derives from one is
    derived again here, in double precision as there.

    Args:
        diffusion: built with an unshifted noise schedule; the side of images that are not square
            is the geometric mean.
        base_size: side, in pixels, of the images that the unshifted schedule is meant for.
        min_snr: whether its loss weights are clipped.
    """
    height, width = diffusion.image_size
    shift = math.log(base_size**2 / (height * width))
    shifted = torch.sigmoid(torch.logit(signal_of(diffusion)) + shift)
    for name, values in _derived(shifted, diffusion.objective, min_snr).items():
        getattr(diffusion, name).copy_(values)


def signal_of(diffusion: GaussianDiffusion) -> Tensor:
    """Return the share of the signal's variance at each timestep.

    (T,) float64 in (0, 1), on the CPU. From the betas: of products near 1, the cleanest timesteps,
    float32 keeps too few digits.
    """
    return (1 - diffusion.betas.cpu().double()).cumprod(0)


def _derived(signal: Tensor, objective: str, min_snr: bool) -> dict[str, Tensor]:
    """Return upstream's buffers for (T,) float64 products of alphas."""
    before = torch.cat([signal.new_ones(1), signal[:-1]])
    alphas, noise = signal / before, 1 - signal
    betas = 1 - alphas
    variance = betas * (1 - before) / noise
    snr = signal / noise
    weight = snr.clamp(max=_MIN_SNR_GAMMA) if min_snr else snr
    unit = {"pred_noise": snr, "pred_x0": torch.ones_like(snr), "pred_v": snr + 1}
    return {
        "betas": betas,
        "alphas_cumprod": signal,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": signal.sqrt(),
        "sqrt_one_minus_alphas_cumprod": noise.sqrt(),
        "log_one_minus_alphas_cumprod": noise.log(),
        "sqrt_recip_alphas_cumprod": signal.rsqrt(),
        "sqrt_recipm1_alphas_cumprod": (1 / signal - 1).sqrt(),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": variance.clamp(min=1e-20).log(),
        "posterior_mean_coef1": betas * before.sqrt() / noise,
        "posterior_mean_coef2": (1 - before) * alphas.sqrt() / noise,
        "loss_weight": weight / unit[objective],
    }
