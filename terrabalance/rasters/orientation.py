"""Turn a picture as its EXIF orientation says: one rule for reading, hashing and masks."""

from numbers import Real

import numpy as np

ORIENTATION_TAG = 274
# Of each value of the tag: whether rows and columns are exchanged, then the steps along both axes.
_TURNS = {
    2: (False, 1, -1), 3: (False, -1, -1), 4: (False, -1, 1), 5: (True, 1, 1), 6: (True, 1, -1),
    7: (True, -1, -1), 8: (True, -1, 1),
}  # fmt: skip


def known_orientation(value: object) -> int:
    """Return what a file gives as its orientation where that is a number from 2 to 8, else 1."""
    is_number = isinstance(value, Real)
    return next((known for known in _TURNS if is_number and known == value), 1)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return (C, H, W) pixels as they are meant to be seen.

    Args:
        pixels: (C, H, W) as stored.
        orientation: value of the tag 274 of TIFF and EXIF (CIPA DC-008, 4.6.4): 1 is upright,
            others are a mirror image or a turn; an unknown value counts as 1.
    """
    if orientation not in _TURNS:
        return pixels
    transposed, down, right = _TURNS[orientation]
    pixels = np.swapaxes(pixels, 1, 2) if transposed else pixels
    return pixels[:, ::down, ::right]
