"""Which part of an image a mask covers, at the size of a generator."""

import logging
from pathlib import Path

import numpy as np

from terrabalance.errors import BadInput
from terrabalance.rasters.decode import decode
from terrabalance.rasters.raster import Raster

_SAME_SHAPE = 0.02  # relative difference of two aspect ratios that rounding explains
_BLACK_AND_WHITE = "black (0) where the image is right and white where it is to be filled"
_log = logging.getLogger(__name__)


def read_mask(path: Path, image: Path, size: tuple[int, ...]) -> np.ndarray:
    """Return what a mask covers, cut and resized as its image is; both are turned as EXIF says.

    A pixel is covered whose value, the highest of its bands, is above half of the range of the
    mask's own values: 255 of 0 and 255, 1 of 0 and 1, and none of the faint ripples of JPEG. A
    transparent pixel is not painted. A mask of more than two values is told of in the log.

    Args:
        path: of the mask.
        image: that it belongs to, of the same shape and any size.
        size: height and width of what is returned, px.

    Returns:
        (height, width) bool. A pixel that is covered in any part is covered.

    Raises:
        BadInput: the mask has another shape, holds pixels without data, or covers nothing or all.
        UnreadableImage: it or the image cannot be read.
    """
    covered = _covered(path, _painted(path, decode(path)))
    height, width = decode(image).pixels.shape[-2:]
    ratio = covered.shape[1] / covered.shape[0] * height / width
    if abs(ratio - 1) > _SAME_SHAPE:
        raise BadInput(
            f"{path}: {covered.shape[1]} x {covered.shape[0]} px, another shape than the image's "
            f"{width} x {height} px. Give one of {width} x {height} px: {_BLACK_AND_WHITE}."
        )
    mask = _cut(_resized(covered, (height, width)), size)
    if not mask.any():
        raise BadInput(f"{path}: covers nothing of the part that is used. Paint it white there.")
    if mask.all():
        raise BadInput(f"{path}: covers all of it. To draw whole images use `terrabalance sample`.")
    return mask


def _painted(path: Path, raster: Raster) -> np.ndarray:
    """Return the (H, W) values of a mask: of all bands the highest, 0 where it is transparent."""
    if raster.valid is not None:
        n_unknown = int((~raster.valid & (raster.pixels != 0)).any(0).sum())
        if n_unknown:  # those of value 0 are as good as black
            raise BadInput(
                f"{path}: {n_unknown:,} pixels hold no data (NaN, infinity, the value declared as "
                "no-data, or left out by a mask of its own), so whether they are filled is not "
                "said. Save a mask of 0 where the image is right and 1 where it is to be filled."
            )
    values: np.ndarray = raster.without_alpha().pixels.max(0)
    if raster.alpha is None:
        return values
    opacity = raster.pixels[raster.alpha]
    # Of a constant one all is seen, as anywhere else. Colours below what is not are of no meaning.
    return np.where(opacity >= opacity.max() / 2, values, values.dtype.type(0))


def _covered(path: Path, values: np.ndarray) -> np.ndarray:
    """Return which of the (H, W) values are above half of their range; one alone covers if not 0.

    Says so where that was a decision: soft edges, ripples of JPEG, numbers of classes.
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        return values > 0
    half = np.float64(low / 2 + high / 2)  # no sum of the two, which float64 might not hold
    covered: np.ndarray = values > half
    n_values = len(np.unique(values))
    if n_values > 2:
        _log.warning(
            "%s: has %s different values, not two. Taken as painted is what is above %g, half of "
            "their range from %g to %g: %.2f %% of the mask. To decide it yourself, give a PNG of "
            "two values: %s.",
            path, f"{n_values:,}", half, low, high, 100 * covered.mean(), _BLACK_AND_WHITE,
        )  # fmt: skip
    return covered


def _cut(covered: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Cut and resize a (H, W) bool mask as `read_patch` does an image."""
    share = min(covered.shape[0] / size[0], covered.shape[1] / size[1])
    height, width = round(size[0] * share), round(size[1] * share)
    top, left = (covered.shape[0] - height) // 2, (covered.shape[1] - width) // 2
    return _resized(covered[top : top + height, left : left + width], size)


def _resized(covered: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Resize a (H, W) bool mask; a pixel that is covered in any part of its area is covered.

    Pillow's filters take the pixels whose centres lie in the area, and so lose thin lines.
    """
    for axis, n_pixels in enumerate(size):
        edges = np.arange(n_pixels + 1) * covered.shape[axis]
        first, last = edges[:-1] // n_pixels, -(-edges[1:] // n_pixels) - 1
        # It takes what lies from one first to the next, which lacks a last that two share.
        parts: np.ndarray = np.logical_or.reduceat(covered, first, axis)
        covered = parts | covered.take(last, axis)
    return covered
