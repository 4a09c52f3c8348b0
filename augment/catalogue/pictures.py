"""What two files are compared by: a small grey picture, and a hash of all values."""

import hashlib
from itertools import pairwise

import numpy as np
from PIL import Image

from augment.catalogue.hashes import SIDE_PX
from terrabalance.rasters.gaps import fill
from terrabalance.rasters.raster import Raster

_LARGEST = 8 * SIDE_PX  # a larger image is first averaged in blocks
_HASHED_ROWS = 256
_VAST = 2.0**100  # float32 does not hold what sums and differences of larger values come to
_LUMA = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601, as JPEG and Pillow have it


def grey_picture(raster: Raster) -> np.ndarray:
    """Return (32, 32) float32, the brightness of an image without its gaps, in its unit.

    Of bytes as they are. Of deeper bands the variation of each counts alike, as their units may
    differ; level and contrast are those of the bands' mean, by which calm images are told apart.
    """
    pixels, valid = raster.pixels, raster.valid
    if raster.is_eight_bit and len(pixels) in (1, 3) and valid is None and _is_small(pixels):
        return _grey_of_bytes(pixels)
    means, known = _block_means(pixels, valid)
    planes = fill(means, known)
    planes = np.stack([_square(plane) for plane in planes])
    if np.abs(planes).max() > _VAST:  # others are compared as they always were, bit for bit
        planes = planes.astype(np.float64)
    if not raster.is_eight_bit:
        low = planes.min((1, 2), keepdims=True)
        span = planes.max((1, 2), keepdims=True) - low
        planes = (planes - low) / np.where(span > 0, span, 1) * span.mean() + low.mean()
    weights = _LUMA if raster.is_eight_bit and len(planes) == 3 else None  # as small ones get it
    grey: np.ndarray = np.average(planes, axis=0, weights=weights).astype(np.float32)
    return grey


def _is_small(pixels: np.ndarray) -> bool:
    return max(pixels.shape[1:]) <= _LARGEST


def _grey_of_bytes(pixels: np.ndarray) -> np.ndarray:
    picture = pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)
    image = Image.fromarray(np.ascontiguousarray(picture))
    small = image.resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR).convert("L")
    return np.asarray(small, np.float32)


def _square(plane: np.ndarray) -> np.ndarray:
    image = Image.fromarray(plane.astype(np.float32))
    return np.asarray(image.resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR))


def _block_means(
    pixels: np.ndarray, valid: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Average the valid samples of blocks, so that at most `_LARGEST` blocks lie along a side.

    Returns:
        (C, h, w) float64, and which blocks have a valid sample, (C, h, w) bool; None: all.
    """
    edges = [_edges(side) for side in pixels.shape[1:]]
    if valid is None:
        sums = np.stack([_block_sums(plane, None, edges) for plane in pixels])
        sides = (np.diff([*e, n]) for e, n in zip(edges, pixels.shape[1:], strict=True))
        return sums / np.outer(*sides), None
    masks = np.broadcast_to(valid, pixels.shape)
    sums = np.stack([_block_sums(p, m, edges) for p, m in zip(pixels, masks, strict=True)])
    counts = np.stack([_block_sums(mask, None, edges) for mask in masks])
    return sums / np.maximum(counts, 1), counts > 0


def _edges(side: int) -> np.ndarray:
    return np.linspace(0, side, min(side, _LARGEST) + 1).astype(int)[:-1]


def _block_sums(plane: np.ndarray, mask: np.ndarray | None, edges: list[np.ndarray]) -> np.ndarray:
    # A strip of rows at a time: NumPy would make a copy of a large image as float64.
    strips = [slice(*ends) for ends in pairwise([*edges[0], len(plane)])]
    valid = (plane[s] if mask is None else np.where(mask[s], plane[s], 0) for s in strips)
    rows = np.stack([strip.sum(0, dtype=np.float64) for strip in valid])
    sums: np.ndarray = np.add.reduceat(rows, edges[1], axis=1)
    return sums


def values_hash(pixels: np.ndarray) -> str:
    """Return a hash of (C, H, W) values, their type and their shape, however they are laid out."""
    content = hashlib.blake2b(digest_size=16)
    for top in range(0, pixels.shape[1], _HASHED_ROWS):
        rows = np.moveaxis(pixels[:, top : top + _HASHED_ROWS], 0, -1)
        content.update(np.ascontiguousarray(rows).data)
    return f"{pixels.dtype}{pixels.shape}{content.hexdigest()}"
