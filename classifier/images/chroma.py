"""Colour jitter: changes the fine detail of colours at random, which gives synthetic images away.

Most of the difference between synthetic and real images in codec and spectrum alone is in the
detail of their colours, which JPEG stores coarsely and a generator does not match exactly. It is
changed at random in every training image, real or synthetic, by as much as images of a class differ
in it, so that it carries little information about the source. Brightness and the colours of larger
areas stay as they are.
"""

import functools
from collections.abc import Sequence

import numpy as np
import torch
from scipy.fft import dct
from torch import Tensor

from terrabalance.seeds import generator_for

_PLACES = 5  # of frequency, even up to half a cycle a pixel, at which a gain is drawn


def noise_of(names: Sequence[str], n_views: int, n_bands: int) -> Tensor:
    """Return the noise of `jittered` for views of images, a function of the images' names alone.

    Returns:
        (len(names) * n_views, n_bands - 1, places) float32, the views of an image in a row.
    """
    shape = (n_views, n_bands - 1, _PLACES)
    draws = [torch.randn(shape, generator=generator_for("chroma", name)) for name in names]
    return torch.cat([torch.empty(0, *shape[1:]), *draws])


def jittered_by_name(pixels: Tensor, names: Sequence[str], strength: float) -> Tensor:
    """Change images as `jittered` does, with noise that is a function of their names alone.

    Args:
        pixels: (N * views, C, H, W) levels, the views of an image in a row.
        names: N, of the images.
        strength: as for `jittered`.
    """
    n_views = len(pixels) // max(1, len(names))
    return jittered(pixels, strength, noise_of(names, n_views, pixels.shape[1]))


def noise_from(draws: torch.Generator, n_images: int, n_bands: int) -> Tensor:
    """Return random noise for `jittered`, (n_images, n_bands - 1, places) float32."""
    return torch.randn((n_images, n_bands - 1, _PLACES), generator=draws)


def jittered(pixels: Tensor, strength: float, noise: Tensor) -> Tensor:
    """Change the power spectra of the differences of neighbouring bands.

    Args:
        pixels: (N, C, H, W) levels.
        strength: standard deviation of the logarithm of the gain in power.
        noise: from `noise_of` or `noise_from`, on any device.

    Returns:
        Levels of the same shape and type. The mean over the bands is that of `pixels`, except
        for rounding and clipping; images of one band stay as they are.
    """
    if strength == 0 or pixels.shape[1] < 2:
        return pixels
    down, across = (_cosines(side).to(pixels.device) for side in pixels.shape[-2:])
    places = _weights(*pixels.shape[-2:]).to(pixels.device)
    top = torch.iinfo(pixels.dtype).max
    levels = pixels.float() / top
    spectrum = down @ levels.diff(dim=1) @ across.T
    gains = torch.exp(strength / 2 * torch.einsum("ncp,phw->nchw", noise.to(pixels.device), places))
    change = (down.T @ (spectrum * (gains - 1)) @ across).cumsum(dim=1)
    change = torch.cat([torch.zeros_like(change[:, :1]), change], dim=1)
    changed = levels + change - change.mean(dim=1, keepdim=True)
    return (changed.clamp(0, 1) * top).round().to(pixels.dtype)


@functools.cache
def _cosines(side: int) -> Tensor:
    """Return the (side, side) orthonormal matrix of the cosine transform."""
    return torch.from_numpy(dct(np.eye(side), axis=0, norm="ortho").astype(np.float32))


@functools.cache
def _weights(height: int, width: int) -> Tensor:
    """Return the (places, H, W) weights of the gains at each frequency.

    Weights are linear between the places, and 0 at the lowest frequency.
    """
    cycles = np.hypot(np.arange(height)[:, None] / (2 * height), np.arange(width) / (2 * width))
    at = (2 * _PLACES * cycles).clip(max=_PLACES)
    near = 1 - np.abs(at - np.arange(1, _PLACES + 1)[:, None, None])
    return torch.from_numpy(near.clip(0).astype(np.float32))
