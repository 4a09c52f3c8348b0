"""The blocks (tiles or strips) of a TIFF page: which were written, and what LERC masks in them."""

import imagecodecs
import numpy as np
import tifffile
from tifffile import COMPRESSION

_LERC_TAG = 50674  # (version, further compression)
_LERC_UNPACKS = {0: bytes, 1: imagecodecs.zlib_decode, 2: imagecodecs.zstd_decode}


def read_blocks(page: tifffile.TiffPage) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the values of a page, and which of them hold data; None: all.

    A block that GDAL never wrote (sparse) has no data, nor has what LERC masks: tifffile gives
    zeros for both.

    Returns:
        Both (planes, depth, H, W, samples); values in native byte order.
    """
    is_lerc, is_sparse = page.compression == COMPRESSION.LERC, 0 in page.databytecounts
    if not (is_lerc or is_sparse):
        return _native(page.asarray(squeeze=False, maxworkers=1)), None
    values = np.zeros(page.shaped, page.dtype)
    written = np.zeros(page.shaped, bool)
    reader = page.parent.filehandle
    blocks = reader.read_segments(page.dataoffsets, page.databytecounts, lock=reader.lock)
    for data, index in blocks:
        block, (plane, depth, top, left, _), _ = page.decode(data, index, _fullsize=False)
        if block is None:
            continue
        good = _lerc_mask(page, data) if is_lerc else None
        place = (
            plane, slice(depth, depth + block.shape[0]), slice(top, top + block.shape[1]),
            slice(left, left + block.shape[2]),
        )  # fmt: skip
        height, width = values[place].shape[1:3]
        values[place] = block[:, :height, :width]
        written[place] = True if good is None else good[None, :height, :width]
    return values, written


def _native(values: np.ndarray) -> np.ndarray:
    if values.dtype.isnative:
        return values
    if values.flags.writeable:  # without a second copy of a large image
        return values.byteswap(inplace=True).view(values.dtype.newbyteorder("="))
    return values.astype(values.dtype.newbyteorder("="))


def _lerc_mask(page: tifffile.TiffPage, data: bytes) -> np.ndarray | None:
    """Return (H, W, 1 or samples) bool, what a LERC block masks as False; None: nothing."""
    further = page.tags.valueof(_LERC_TAG, default=(4, 0))[1]
    _, mask = imagecodecs.lerc_decode(_LERC_UNPACKS[further](data), masks=True)
    if mask is None:
        return None
    return mask[..., None] if mask.ndim == 2 else np.moveaxis(mask, 0, -1)
