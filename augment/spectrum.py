"""Give drawn images the power spectra of real ones, so that softness does not give them away.

What a diffusion model draws is a little too smooth or too grainy at some frequencies (Dzanic et al.
2020), and all its images of a class are more alike in that than real ones are. A filter for each
image undoes both: the logarithms of its power in rings of frequency are moved by the map that takes
the mean and the covariance of the drawn images to those of the real ones with the least change (the
optimal transport of Gaussians, Olkin and Pukelsheim 1982). It works on the cosine transform, which
has no false edges at the border, of the brightness and of the differences of neighbouring bands, as
grain in the colours is another thing than grain in the brightness.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.fft import dctn, idctn
from sklearn.covariance import ledoit_wolf

_RINGS = 12  # up to half a cycle a pixel; corners beyond it belong to the last
_COARSE = 4  # rings up to a sixth of a cycle a pixel, where contrast is made
_LIMIT = 2.0  # a gain beyond it, or below its inverse, would show as ringing
_FEW = 5  # real images of which a class's spectrum is half known
_FLOOR = 1e-8  # of a squared level in [0, 1]; keeps the logarithm of a blank image finite


@dataclass(frozen=True)
class SpectrumMap:
    """From the spectra of drawn images to those of real ones.

    Attributes:
        drawn: (C x rings,) mean of the drawn images.
        real: of the real ones.
        matrix: (C x rings, C x rings) symmetric, from deviations of the one to those of the other.
    """

    drawn: np.ndarray
    real: np.ndarray
    matrix: np.ndarray

    def record(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {name: value.tolist() for name, value in vars(self).items()}

    @classmethod
    def of(cls, record: dict[str, Any]) -> "SpectrumMap":
        """Read what `record` returned."""
        return cls(*(np.array(record[name]) for name in ("drawn", "real", "matrix")))


def spectrum_map(real: np.ndarray, drawn: np.ndarray) -> SpectrumMap:
    """Measure the map from the spectra of `drawn` to those of `real`.

    Args:
        real: (N, C, H, W) levels of real training images.
        drawn: (M, C, H, W) levels as the network draws them, M >= 2.

    Returns:
        The map, nearer to changing nothing where real images are few; covariances are shrunk
        (Ledoit and Wolf 2004).
    """
    theirs, ours = _shapes(real), _shapes(drawn)
    trust = len(real) / (len(real) + _FEW)
    drawn_mean = ours.mean(axis=0)
    mean = drawn_mean + trust * (theirs.mean(axis=0) - drawn_mean)
    of_drawn, _ = ledoit_wolf(ours)
    of_real = of_drawn if len(real) < 2 else ledoit_wolf(theirs)[0]
    of_real = of_drawn + trust * (of_real - of_drawn)
    return SpectrumMap(drawn_mean, mean, _transport(of_drawn, of_real))


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


def apply_map(images: np.ndarray, mapping: SpectrumMap) -> np.ndarray:
    """Filter (N, C, H, W) levels, each by its own gains; each image's mean of each band stays.

    A gain is the same all over a ring of a plane, and between 1/2 and 2.
    """
    n, n_bands = images.shape[:2]
    own = _shapes(images)
    wanted = mapping.real + (own - mapping.drawn) @ mapping.matrix
    ratio = (wanted - own).reshape(n, n_bands, _RINGS)
    gains = np.exp(ratio / 2).clip(1 / _LIMIT, _LIMIT)
    planes = _transformed(images) * _gain_at(images.shape[-2:], gains)
    bands = _mixed(idctn(planes, axes=(2, 3), norm="ortho"), np.linalg.inv(_mixing(n_bands)))
    top = np.iinfo(images.dtype).max
    return (bands * top).round().clip(0, top).astype(images.dtype)


def _gain_at(sides: tuple[int, ...], gains: np.ndarray) -> np.ndarray:
    """Return the (N, C, H, W) gain at every frequency: linear between the middles of the rings."""
    place = _frequency(sides) * 2 * _RINGS - 0.5
    low = np.floor(place).astype(int).clip(0, _RINGS - 2)
    share = (place - low).clip(0, 1)
    found: np.ndarray = gains[..., low] * (1 - share) + gains[..., low + 1] * share
    found[..., 0, 0] = 1.0
    return found


def _shapes(images: np.ndarray) -> np.ndarray:
    """Return the (N, C x rings) log power in each ring less that of the coarse ones of its plane.

    Contrast is not ours to change.
    """
    power = _log_power(images)
    shapes: np.ndarray = power - power[:, :, :_COARSE].mean(axis=2, keepdims=True)
    return shapes.reshape(len(images), -1)


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
