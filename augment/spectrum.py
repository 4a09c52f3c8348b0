"""Give drawn images the power spectrum of real ones, so that softness does not give them away.

What a diffusion model draws is a little too smooth or too grainy at some frequencies (Dzanic et al.
2020), by much the same factor in all images of a class. One linear filter a class undoes that: its
gain at each frequency is the ratio of the mean logarithms of the amplitudes. It works on the cosine
transform, which has no false edges at the border, of the brightness and of the differences of
neighbouring bands, as grain in the colours is another thing than grain in the brightness.
"""

import numpy as np
from scipy.fft import dctn, idctn

_RINGS = 12  # up to half a cycle a pixel; corners beyond it belong to the last
_COARSE = 4  # rings up to a sixth of a cycle a pixel, where contrast is made
_LIMIT = 2.0  # a gain beyond it, or below its inverse, would show as ringing
_FEW = 5  # real images of which a class's spectrum is half known
_FLOOR = 1e-8  # of a squared level in [0, 1]; keeps the logarithm of a blank image finite


def filter_gains(real: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Measure the filter that takes the spectrum of `drawn` to that of `real`.

    Args:
        real: (N, C, H, W) levels of real training images.
        drawn: (M, C, H, W) levels as the network draws them.

    Returns:
        (C, rings) float64, a factor of the amplitude of each plane (brightness, differences) at
        each ring of frequency, between 1/2 and 2, nearer to 1 where real images are few.
    """
    trust = len(real) / (len(real) + _FEW)
    ratio = _log_power(real).mean(axis=0) - _log_power(drawn).mean(axis=0)
    ratio -= ratio[:, :_COARSE].mean(axis=1, keepdims=True)  # contrast is not ours to change
    gains: np.ndarray = np.exp(trust * ratio / 2).clip(1 / _LIMIT, _LIMIT)
    return gains


def apply_gains(images: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Filter (N, C, H, W) levels by `filter_gains`; each image's mean of each band stays."""
    top = np.iinfo(images.dtype).max
    planes = _transformed(images) * _gain_at(images.shape[-2:], gains)
    bands = _mixed(idctn(planes, axes=(2, 3), norm="ortho"), np.linalg.inv(_mixing(len(gains))))
    return (bands * top).round().clip(0, top).astype(images.dtype)


def _gain_at(sides: tuple[int, ...], gains: np.ndarray) -> np.ndarray:
    """Return the (C, H, W) gain at every frequency: linear between the middles of the rings."""
    middles = (np.arange(_RINGS) + 0.5) / (2 * _RINGS)
    frequency = _frequency(sides)
    found = np.stack([np.interp(frequency, middles, row) for row in gains])
    found[:, 0, 0] = 1.0
    return found


def _log_power(images: np.ndarray) -> np.ndarray:
    """Return the (N, C, rings) logarithm of each plane's mean power in each ring."""
    ring = np.minimum((_frequency(images.shape[-2:]) * 2 * _RINGS).astype(int), _RINGS - 1)
    ring[0, 0] = -1  # the mean is no detail
    power = _transformed(images) ** 2
    rings = [power[:, :, ring == r].mean(axis=2) if (ring == r).any() else power[:, :, 0, 0] * 0
             for r in range(_RINGS)]  # fmt: skip
    logarithm: np.ndarray = np.log(np.stack(rings, axis=2) + _FLOOR)
    return logarithm


def _transformed(images: np.ndarray) -> np.ndarray:
    levels = images.astype(np.float64) / np.iinfo(images.dtype).max
    planes = _mixed(levels, _mixing(images.shape[1]))
    spectrum: np.ndarray = dctn(planes, axes=(2, 3), norm="ortho")
    return spectrum


def _mixing(n_bands: int) -> np.ndarray:
    """Return the (C, C) matrix from bands to brightness and differences of neighbouring bands."""
    differences = np.diff(np.eye(n_bands), axis=0)
    return np.concatenate([np.full((1, n_bands), 1 / n_bands), differences])


def _mixed(images: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    mixed: np.ndarray = np.einsum("pc,nchw->nphw", matrix, images)
    return mixed


def _frequency(sides: tuple[int, ...]) -> np.ndarray:
    """Return the (H, W) cycles a pixel of the cosine transform's places."""
    height, width = sides
    frequency: np.ndarray = np.hypot(
        np.arange(height)[:, None] / (2 * height), np.arange(width) / (2 * width)
    )
    return frequency
