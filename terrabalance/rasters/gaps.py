"""Fill the samples of an image that hold no data, so that nothing that reads it sees an edge."""

import numpy as np
from scipy.ndimage import distance_transform_edt

from terrabalance.rasters.memory import claim_memory

_WORK_BYTES = 12  # of the distance transform, for each sample
_ROWS = 256  # of which places are kept at once: NumPy makes 16 bytes of each


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
    claim_memory(2 * pixels.nbytes + _WORK_BYTES * valid[0].size)
    filled = pixels.copy()
    if len(valid) == 1:
        _mirror(filled, pixels, valid[0])
        return filled
    for band, good in enumerate(valid):
        _mirror(filled[band : band + 1], pixels[band : band + 1], good)
    return filled


def _mirror(filled: np.ndarray, pixels: np.ndarray, good: np.ndarray) -> None:
    """Write the values of the gaps of (C, H, W) pixels into `filled`."""
    if not good.any():
        filled[:] = 0
        return
    every = distance_transform_edt(~good, return_distances=False, return_indices=True)
    last = np.array(good.shape)[:, None] - 1
    for top in range(0, len(good), _ROWS):
        gaps = np.argwhere(~good[top : top + _ROWS]).T + np.array([[top], [0]])
        nearest = every[:, gaps[0], gaps[1]]
        beyond = np.abs(2 * nearest - gaps)
        beyond = np.minimum(beyond, 2 * last - beyond)
        source = np.where(good[tuple(beyond)], beyond, nearest)
        filled[:, gaps[0], gaps[1]] = pixels[:, source[0], source[1]]
