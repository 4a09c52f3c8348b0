"""Filter drawn images to the power spectra of real ones, so that softness does not reveal them.

Images of a diffusion model are a little too smooth or too grainy at some frequencies (Dzanic et al.
2020), and those of one class are more alike in that than real ones are. A filter for each image
corrects much of both. The logarithms of its power in rings of frequency are shifted by the
difference of the class means, and then moved half the way of the map that takes the mean and the
covariance of the drawn images to those of the real ones with the least change (the optimal
transport of Gaussians, Olkin and Pukelsheim 1982). A random part is added, as images drawn around
the same real one lie close together. The whole way would hide a little more but distort the
images: contrasts up to black and white, buildings with halos. Where a class has few real images,
other classes help (`augment.sample.shrinkage`). The filter works on the cosine transform, which has
no false edges at the border, of the brightness and of the differences of neighbouring bands, as
grain in the colours differs from grain in the brightness.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.fft import dctn, idctn
from scipy.special import logsumexp
from sklearn.covariance import ledoit_wolf

from augment.sample.borders import apply_gains, border_gains
from augment.sample.shrinkage import expected

_HALF = 12  # rings up to half a cycle a pixel
_RINGS = _HALF + 1  # the corners beyond it are one more
_LIMIT = 4.0  # a gain beyond it, or below its inverse, would show as ringing
_PASSES = 4  # of filtering, and measuring the result
_MOVED = 0.5  # of the way of the map
_CHANCE = 0.3  # random part, over the standard deviation of the real images
_FLOOR = 1e-8  # of a squared level in [0, 1]; keeps the logarithm of a blank image finite


@dataclass(frozen=True)
class SpectrumMap:
    """A map from the spectra of drawn images to those of real ones.

    Attributes:
        borders: (C, 9) factors of `augment.sample.borders.border_gains`.
        drawn: (C x rings,) mean log power of the drawn images, their borders changed.
        real: (C x rings,) mean log power of the real images.
        matrix: (C x rings, C x rings) symmetric, from deviations of drawn to those of real images.
        spread: (C x rings, C x rings) symmetric root of the covariance of the real images.
    """

    borders: np.ndarray
    drawn: np.ndarray
    real: np.ndarray
    matrix: np.ndarray
    spread: np.ndarray

    def record(self) -> dict[str, Any]:
        """Return the map as JSON values."""
        return {name: value.tolist() for name, value in vars(self).items()}

    @classmethod
    def of(cls, record: dict[str, Any]) -> "SpectrumMap":
        """Return the map that `record` described."""
        return cls(**{name: np.array(record[name]) for name in cls.__dataclass_fields__})


def spectrum_map(
    real: np.ndarray, drawn: np.ndarray, others: Sequence[np.ndarray] = ()
) -> SpectrumMap:
    """Measure the map from the spectra of `drawn` to those of `real`.

    Args:
        real: (N, C, H, W) levels of real training images.
        drawn: (M, C, H, W) levels as the network draws them, M >= 2.
        others: (K, C, H, W) levels of real training images of each other class.

    Returns:
        The map. The covariance of the drawn images is shrunk (Ledoit and Wolf 2004).
    """
    borders = border_gains(_planes(real), _planes(drawn), [_planes(other) for other in others])
    ours = _log_power(apply_gains(_planes(drawn), borders))
    theirs = [_log_power(_planes(images)) for images in (real, *others)]
    mean, covariance = expected(theirs[0], theirs[1:], ours)
    matrix = _transport(ledoit_wolf(ours)[0], covariance)
    return SpectrumMap(borders, ours.mean(axis=0), mean, matrix, _root(covariance))


def _transport(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the symmetric matrix A with A first A = second."""
    width = len(first)
    root = _root(first + 1e-9 * np.eye(width))
    inverse = np.linalg.inv(root)
    matrix: np.ndarray = inverse @ _root(root @ second @ root) @ inverse
    return matrix


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    root: np.ndarray = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    return root


def apply_map(images: np.ndarray, mapping: SpectrumMap, seeds: Sequence[int]) -> np.ndarray:
    """Filter images, each by its own gains; the mean of each band of each image stays.

    A gain is between 1/4 and 4, and nearly the same all over a ring of a plane. Cutting at black
    and white and rounding change the spectrum again, so the gains are corrected by their result.

    Args:
        images: (N, C, H, W) levels as drawn.
        mapping: of their class.
        seeds: one for each image, of the random part.
    """
    n, n_bands, *sides = images.shape
    planes = apply_gains(_planes(images), mapping.borders)
    now = _log_power(planes)
    sizes = np.bincount(_ring(sides).ravel() + 1, minlength=_RINGS + 1)[1:]
    wanted = _wanted(now, mapping, seeds, sizes)
    spectrum, gains = dctn(planes, axes=(2, 3), norm="ortho"), np.zeros_like(now)
    for _ in range(_PASSES):
        gains = (gains + wanted - now).clip(-2 * np.log(_LIMIT), 2 * np.log(_LIMIT))
        factors = _gain_at(sides, np.exp(gains / 2).reshape(n, n_bands, _RINGS))
        filtered = _levels(idctn(spectrum * factors, axes=(2, 3), norm="ortho"), images.dtype)
        now = _log_power(_planes(filtered))
    return filtered


def _wanted(
    own: np.ndarray, mapping: SpectrumMap, seeds: Sequence[int], sizes: np.ndarray
) -> np.ndarray:
    """Return the target spectra of images, (N, C x rings).

    The contrast of each plane changes with the class's mean alone: it does not tell drawn images
    from real ones, and a random change would drive some images to black and white.

    Args:
        own: (N, C x rings) spectra as drawn.
        mapping: of the class.
        seeds: one for each image, of the random part.
        sizes: (rings,) number of frequencies in each.
    """
    chance = np.stack([np.random.default_rng(seed).standard_normal(own.shape[1]) for seed in seeds])
    off, as_class = own - mapping.drawn, own + mapping.real - mapping.drawn
    change = _MOVED * (off @ mapping.matrix - off) + _CHANCE * chance @ mapping.spread

    def contrast(spectra: np.ndarray) -> np.ndarray:
        by_ring = spectra.reshape(len(own), -1, _RINGS)
        return logsumexp(by_ring, axis=2, b=sizes, keepdims=True).repeat(_RINGS, 2)

    too_much = contrast(as_class + change) - contrast(as_class)
    wanted: np.ndarray = as_class + change - too_much.reshape(own.shape)
    return wanted


def _gain_at(sides: Sequence[int], gains: np.ndarray) -> np.ndarray:
    """Return the (N, C, H, W) gain at every frequency: linear between the middles of the rings."""
    place = _frequency(sides) * 2 * _HALF - 0.5
    low = np.floor(place).astype(int).clip(0, _RINGS - 2)
    share = (place - low).clip(0, 1)
    found: np.ndarray = gains[..., low] * (1 - share) + gains[..., low + 1] * share
    found[..., 0, 0] = 1.0
    return found


def _log_power(planes: np.ndarray) -> np.ndarray:
    """Return the (N, C x rings) logarithm of each plane's mean power in each ring.

    The middle of an image counts most, as in every spectrum that is measured through a window.
    """
    sides = planes.shape[2:]
    window = np.hanning(sides[0])[:, None] * np.hanning(sides[1])
    off = (planes - planes.mean(axis=(2, 3), keepdims=True)) * window
    power = dctn(off, axes=(2, 3), norm="ortho") ** 2
    ring = _ring(sides)
    rings = [power[:, :, ring == r].mean(axis=2) if (ring == r).any() else power[:, :, 0, 0] * 0
             for r in range(_RINGS)]  # fmt: skip
    logarithm: np.ndarray = np.log(np.stack(rings, axis=2) + _FLOOR)
    return logarithm.reshape(len(planes), -1)


def _ring(sides: Sequence[int]) -> np.ndarray:
    """Return the (H, W) ring of every place of the cosine transform; -1 for the mean, no detail."""
    ring = np.minimum((_frequency(sides) * 2 * _HALF).astype(int), _RINGS - 1)
    ring[0, 0] = -1
    return ring


def _planes(images: np.ndarray) -> np.ndarray:
    """Turn levels into brightness and differences of neighbouring bands, in [0, 1] and [-1, 1]."""
    levels = images.astype(np.float64) / np.iinfo(images.dtype).max
    return _mixed(levels, _mixing(images.shape[1]))


def _levels(planes: np.ndarray, level_type: np.dtype) -> np.ndarray:
    top = np.iinfo(level_type).max
    bands = _mixed(planes, np.linalg.inv(_mixing(planes.shape[1])))
    return (bands * top).round().clip(0, top).astype(level_type)


def _mixing(n_bands: int) -> np.ndarray:
    """Return the (C, C) matrix from bands to brightness and differences of neighbouring bands."""
    differences = np.diff(np.eye(n_bands), axis=0)
    return np.concatenate([np.full((1, n_bands), 1 / n_bands), differences])


def _mixed(images: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    mixed: np.ndarray = np.einsum("pc,nchw->nphw", matrix, images)
    return mixed


def _frequency(sides: Sequence[int]) -> np.ndarray:
    """Return the (H, W) cycles a pixel of the cosine transform's places."""
    height, width = sides
    frequency: np.ndarray = np.hypot(
        np.arange(height)[:, None] / (2 * height), np.arange(width) / (2 * width)
    )
    return frequency
