"""The blocks (tiles or strips) of a TIFF page: which were written, and what LERC masks in them.

Two kinds are decoded here, as libtiff does: tifffile takes the bands of a LERC block for samples
of pixels, and lets the decoder of JPEG guess that three bands are YCbCr.
"""

from collections.abc import Callable

import imagecodecs
import numpy as np
import tifffile
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC

_LERC_TAG = 50674  # (version, further compression)
_LERC_UNPACKS = {0: bytes, 1: imagecodecs.zlib_decode, 2: imagecodecs.zstd_decode}
# In and out, so that nothing is converted. Other numbers of bands have no colours to guess.
_UNCHANGED = {3: "RGB", 4: "CMYK"}

# Values (depth, H, W, samples) of a block, and which of them hold data; None: all.
Block = tuple[np.ndarray, np.ndarray | None]
Decoder = Callable[[tifffile.TiffPage, bytes, int, tuple[int, int, int, int]], Block]


def read_blocks(page: tifffile.TiffPage) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the values of a page, and which of them hold data; None: all.

    A block that GDAL never wrote (sparse) has no data, nor has what LERC masks: tifffile gives
    zeros for both.

    Returns:
        Both (planes, depth, H, W, samples); values in native byte order.
    """
    decode = _decoder(page)
    if decode is _with_tifffile and 0 not in page.databytecounts:
        return _native(page.asarray(squeeze=False, maxworkers=1)), None
    values = np.zeros(page.shaped, page.dtype)
    written = np.zeros(page.shaped, bool)
    reader = page.parent.filehandle
    blocks = reader.read_segments(page.dataoffsets, page.databytecounts, lock=reader.lock)
    for data, index in blocks:
        if data is None:
            continue
        _, (plane, depth, top, left, _), shape = page.decode(None, index)
        block, good = decode(page, data, index, shape)
        place = (
            plane, slice(depth, depth + block.shape[0]), slice(top, top + block.shape[1]),
            slice(left, left + block.shape[2]),
        )  # fmt: skip
        height, width = values[place].shape[1:3]
        values[place] = block[:, :height, :width]
        written[place] = True if good is None else good[:, :height, :width]
    return values, None if written.all() else written


def _native(values: np.ndarray) -> np.ndarray:
    if values.dtype.isnative:
        return values
    if values.flags.writeable:  # without a second copy of a large image
        return values.byteswap(inplace=True).view(values.dtype.newbyteorder("="))
    return values.astype(values.dtype.newbyteorder("="))


def _decoder(page: tifffile.TiffPage) -> Decoder:
    if page.compression == COMPRESSION.LERC:
        return _lerc
    is_guessed = page.planarconfig == 2 or len(page.extrasamples) > 0
    if page.compression == COMPRESSION.JPEG and page.photometric != PHOTOMETRIC.YCBCR:
        return _jpeg if is_guessed else _with_tifffile
    return _with_tifffile


def _with_tifffile(
    page: tifffile.TiffPage, data: bytes, index: int, shape: tuple[int, int, int, int]
) -> Block:
    return page.decode(data, index)[0], None


def _jpeg(
    page: tifffile.TiffPage, data: bytes, index: int, shape: tuple[int, int, int, int]
) -> Block:
    """Decode the bands as they are: the TIFF says that they are not YCbCr, the JPEG nothing."""
    kind = _UNCHANGED.get(shape[3])
    block = imagecodecs.jpeg_decode(
        data, tables=page.jpegtables, colorspace=kind, outcolorspace=kind, shape=shape[1:3],
        bitspersample=page.bitspersample,
    )  # fmt: skip
    return block.reshape(1, *block.shape[:2], shape[3]), None


def _lerc(
    page: tifffile.TiffPage, data: bytes, index: int, shape: tuple[int, int, int, int]
) -> Block:
    """Decode a block whose bands lie apart where their masks differ, else pixel by pixel.

    libtiff keeps an alpha of 0 and 255 as the mask, and no band for it.
    """
    further = page.tags.valueof(_LERC_TAG, default=(4, 0))[1]
    values, mask = imagecodecs.lerc_decode(_LERC_UNPACKS[further](data), masks=True)
    if values.ndim == 2:
        values = values[..., None]
    elif values.shape[:2] != shape[1:3] or (mask is not None and mask.ndim == 3):
        values = np.moveaxis(values, 0, -1)
    if mask is not None:
        mask = mask[..., None] if mask.ndim == 2 else np.moveaxis(mask, 0, -1)
    if values.shape[2] == shape[3] - 1 and page.extrasamples[-1:] == (EXTRASAMPLE.UNASSALPHA,):
        opaque = np.ones((*values.shape[:2], 1), bool) if mask is None else mask
        values = np.concatenate([values, opaque * np.uint8(255)], axis=2)
    return values.reshape(shape), None if mask is None else mask[None]
