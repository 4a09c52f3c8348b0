"""Fill the samples of an image that hold no data, so that nothing that reads it sees an edge."""

import numpy as np
from scipy.ndimage import distance_transform_edt


def fill(pixels: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    """Return an image whose gaps mirror the data beside them.

    A gap's sample takes the value as far beyond the nearest sample of data as it lies before it,
    so that texture and grain go on across the edge. The image's own borders mirror likewise. Where
    that is a gap as well, it takes the nearest sample itself. A band without any data takes zeros.

    Args:
        pixels: (C, H, W).
        valid: (1, H, W) or (C, H, W) bool, see `Raster.valid`; None: there are no gaps.

    Returns:
        (C, H, W) of the same type; `pixels` itself where there are no gaps.
    """
    if valid is None:
        return pixels
    filled = pixels.copy()
    if len(valid) == 1:
        filled[:, ~valid[0]] = _mirrored(pixels, valid[0])
        return filled
    for band, good in enumerate(valid):
        filled[band, ~good] = _mirrored(pixels[band][None], good)[0]
    return filled


def _mirrored(pixels: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Return (C, P) values for the P gaps of an image, in their order."""
    gaps = np.argwhere(~good).T
    if not good.any():
        return np.zeros((len(pixels), gaps.shape[1]), pixels.dtype)
    nearest = distance_transform_edt(~good, return_distances=False, return_indices=True)
    nearest = nearest[:, gaps[0], gaps[1]]
    last = np.array(good.shape)[:, None] - 1
    beyond = np.abs(2 * nearest - gaps)
    beyond = np.minimum(beyond, 2 * last - beyond)
    source = np.where(good[tuple(beyond)], beyond, nearest)
    return pixels[:, source[0], source[1]]
