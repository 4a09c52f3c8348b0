"""Measure an image in a few plain numbers: colour, sharpness, edges, noise.

A generator may miss a class's range of these while a classifier still recognizes the class. They
are what people recognize synthetic images by: shadows, colours, edges that are too smooth.
"""

from dataclasses import dataclass

import numpy as np

GROUPS = ("colour", "sharpness", "edges", "noise")
_PRIOR = 20.0  # real images that the spread of all classes counts as, beside a class's own
_FLOOR = 1e-4  # of a grey level in [0, 1]; keeps the logarithm of a blank image finite
# Of a grey level in [0, 1]: noise of less than one level of 8 bit counts as none. Its logarithm
# would vary much, and that of visible noise little.
_NOISE_FLOOR = 1 / 255
# Cycles a pixel. The last octave in two: a blur of a pixel shows in how steeply it falls there.
_BANDS = ((1 / 16, 1 / 8), (1 / 8, 1 / 4), (1 / 4, 3 / 8), (3 / 8, 1 / 2))


def traits(images: np.ndarray) -> dict[str, np.ndarray]:
    """Measure (N, C, H, W) levels; returns (N, K) float64 for each of `GROUPS`.

    `colour`: mean of each band, log spread of each, log spread of the differences of neighbouring
    bands. `sharpness`: log ratios of the power in neighbouring bands up to half a cycle a pixel,
    so that blur shows in smooth and in busy images alike. `edges`: log of the mean and of the
    sharpest hundredth of the gradients. `noise`: log of the standard deviation of white noise in
    the brightness and in the differences of neighbouring bands, where an image has hardly any
    detail of its own, by the median of the finest diagonal wavelet (Donoho and Johnstone 1994).
    """
    levels = images.astype(np.float64) / np.iinfo(images.dtype).max
    grey = levels.mean(1)
    return {
        "colour": _colour(levels),
        "sharpness": _sharpness(grey),
        "edges": _edges(grey),
        "noise": np.stack([_noise(grey), *map(_noise, _differences(levels))], axis=1),
    }


def _log(values: np.ndarray) -> np.ndarray:
    logarithm: np.ndarray = np.log(values + _FLOOR)
    return logarithm


def _colour(levels: np.ndarray) -> np.ndarray:
    bands = levels.reshape(*levels.shape[:2], -1)
    between = np.diff(bands, axis=1)
    return np.concatenate([bands.mean(2), _log(bands.std(2)), _log(between.std(2))], axis=1)


def _sharpness(grey: np.ndarray) -> np.ndarray:
    power, frequency = windowed_power(grey)
    inside = [(low <= frequency) & (frequency < high) for low, high in _BANDS]
    strengths = np.stack([power[:, part].mean(1) for part in inside], axis=1)
    return np.diff(_log(np.sqrt(strengths)), axis=1)


def windowed_power(planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the power spectra (N, H, W // 2 + 1) of (N, H, W) planes, and the cycles a pixel."""
    height, width = planes.shape[1:]
    window = np.hanning(height)[:, None] * np.hanning(width)  # no false edges at the border
    power = np.abs(np.fft.rfft2((planes - planes.mean((1, 2), keepdims=True)) * window)) ** 2
    return power, np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))


def _edges(grey: np.ndarray) -> np.ndarray:
    down, right = np.gradient(grey, axis=(1, 2))
    slope = np.hypot(down, right).reshape(len(grey), -1)
    return _log(np.stack([slope.mean(1), np.quantile(slope, 0.99, axis=1)], axis=1))


def _differences(levels: np.ndarray) -> list[np.ndarray]:
    return list(np.diff(levels, axis=1).swapaxes(0, 1))


def _noise(planes: np.ndarray) -> np.ndarray:
    height, width = (side // 2 * 2 for side in planes.shape[1:])
    even = planes[:, :height, :width]
    diagonal = even[:, ::2, ::2] - even[:, 1::2, ::2] - even[:, ::2, 1::2] + even[:, 1::2, 1::2]
    middle = np.median(np.abs(diagonal.reshape(len(planes), -1)), axis=1)
    logarithm: np.ndarray = np.log(middle / 2 / 0.6745 + _NOISE_FLOOR)
    return logarithm


@dataclass(frozen=True)
class Range:
    """A class's range of one group of traits.

    Attributes:
        mean: (K,).
        precision: (K, K), the inverse of the covariance.
    """

    mean: np.ndarray
    precision: np.ndarray

    def distance(self, values: np.ndarray) -> np.ndarray:
        """Return the Mahalanobis distance of (N, K) values, over the root of K; (N,)."""
        off = values - self.mean
        squared = np.einsum("nk,kl,nl->n", off, self.precision, off)
        distance: np.ndarray = np.sqrt(squared / len(self.mean))
        return distance


def ranges(values: np.ndarray, labels: np.ndarray) -> list[Range]:
    """Return each class's range of (N, K) values; labels are 0, 1, 2... without a gap.

    Ten images do not determine a covariance: that of a class is shrunk towards the covariance of
    all classes about their means.
    """
    n_classes, width = int(labels.max()) + 1, values.shape[1]
    means = np.stack([values[labels == c].mean(0) for c in range(n_classes)])
    off = values - means[labels]
    shared = off.T @ off / max(1, len(values) - n_classes) + 1e-9 * np.eye(width)
    found = []
    for c in range(n_classes):
        own = off[labels == c]
        covariance = (own.T @ own + _PRIOR * shared) / (len(own) + _PRIOR)
        found.append(Range(means[c], np.linalg.inv(covariance)))
    return found
