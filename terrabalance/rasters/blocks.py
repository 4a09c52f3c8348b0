"""The blocks (tiles or strips) of a TIFF page: which were written, and what LERC masks in them.

Two kinds are decoded here, as libtiff does: tifffile takes the bands of a LERC block for samples
of pixels, and lets the decoder of JPEG guess that three bands are YCbCr. A block that is a picture
of its own has a header of its own, which may claim more than the tags.
"""

import math
import re
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC

from terrabalance.rasters.limits import check_scans

_LERC_TAG = 50674  # (version, further compression)
_LERC_UNPACKS = {1: imagecodecs.zlib_decode, 2: imagecodecs.zstd_decode}
_LERC_HEADERS = 2**16  # bytes that a LERC block may have beyond its values and masks
# In and out, so that nothing is converted. Other numbers of bands have no colours to guess.
_UNCHANGED = {3: "RGB", 4: "CMYK"}

_PICTURES: dict[int, Callable[..., Any]] = {
    COMPRESSION.PNG: imagecodecs.png_decode,
    COMPRESSION.JPEGXR: imagecodecs.jpegxr_decode,
    COMPRESSION.WEBP: imagecodecs.webp_decode,
    COMPRESSION.JPEGXL: imagecodecs.jpegxl_decode,
    COMPRESSION.JPEGXL_DNG: imagecodecs.jpegxl_decode,
}
JPEG_2000 = frozenset({
    COMPRESSION.JPEG2000, COMPRESSION.APERIO_JP2000_YCBC, COMPRESSION.APERIO_JP2000_RGB,
    COMPRESSION.JPEG_2000_LOSSY,
})  # fmt: skip
# The marker SOF of JPEG: length, bits, height, width, components.
_SOF = re.compile(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf](..).(..)(..)(.)", re.DOTALL)
# The marker SIZ of JPEG 2000: right, bottom, left, top of the picture, then its components.
_SIZ = re.compile(rb"\xff\x4f\xff\x51.{4}(.{4})(.{4})(.{4})(.{4}).{16}(.{2})", re.DOTALL)
_PROBED = re.compile(r"shape=\(([\d, ]+)\)$")  # in what imagecodecs says of an array that is no fit

# Values (depth, H, W, samples) of a block, and which of them hold data; None: all.
Block = tuple[np.ndarray, np.ndarray | None]
Decoder = Callable[[tifffile.TiffPage, bytes, int, tuple[int, int, int, int]], Block]


def read_blocks(page: tifffile.TiffPage) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the values of a page, and which of them hold data; None: all.

    A block that GDAL never wrote (sparse) has no data, nor has what LERC masks: tifffile gives
    zeros for both.

    Args:
        page: whose blocks are there, see `terrabalance.rasters.directories.check_blocks`.

    Returns:
        Both (planes, depth, H, W, samples); values in native byte order.

    Raises:
        ValueError: a block is larger than the tags say. tifffile and imagecodecs raise many more.
    """
    decode, is_sparse = _decoder(page), 0 in page.databytecounts
    if decode is _with_tifffile and not is_sparse:
        return _native(page.asarray(squeeze=False, maxworkers=1)), None
    values = np.zeros(page.shaped, page.dtype)
    written = np.zeros(page.shaped, bool) if is_sparse or decode is _lerc else None
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
        if written is not None:
            written[place] = True if good is None else good[:, :height, :width]
    return values, None if written is None or written.all() else written


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
        return _jpeg if is_guessed else _picture
    has_header = page.compression in {COMPRESSION.JPEG, *_PICTURES, *JPEG_2000}
    return _picture if has_header else _with_tifffile


def _with_tifffile(
    page: tifffile.TiffPage, data: bytes, index: int, shape: tuple[int, int, int, int]
) -> Block:
    return page.decode(data, index)[0], None


def _picture(
    page: tifffile.TiffPage, data: bytes, index: int, shape: tuple[int, int, int, int]
) -> Block:
    _check_picture(page, data, shape)
    return page.decode(data, index, jpegtables=page.jpegtables)[0], None


def _check_picture(page: tifffile.TiffPage, data: bytes, shape: tuple[int, int, int, int]) -> None:
    """Refuse a picture that is larger than its block, before it is decoded.

    The last strip may be as high as the others.
    """
    if page.compression == COMPRESSION.JPEG:
        check_scans(data)
        claimed = max(map(_values_of_sof, _SOF.findall((page.jpegtables or b"") + data)), default=0)
    elif page.compression in JPEG_2000:
        claimed = max(map(_values_of_siz, _SIZ.findall(data)), default=0)
    else:
        claimed = _probed(_PICTURES[page.compression], data, page.dtype)
    height = max(shape[1], page.rowsperstrip)
    if claimed > math.prod((shape[0], height, shape[2], shape[3])):
        raise ValueError("a block that is larger inside than its tags say")


def _values_of_sof(fields: tuple[bytes, ...]) -> int:
    length, height, width, count = (int.from_bytes(field) for field in fields)
    is_one = length == 8 + 3 * count  # else bytes of something else
    return height * width * count if is_one else 0


def _values_of_siz(fields: tuple[bytes, ...]) -> int:
    right, bottom, left, top, count = (int.from_bytes(field) for field in fields)
    return max(right - left, 0) * max(bottom - top, 0) * count


def _probed(decode: Callable[..., Any], data: bytes, dtype: Any, **options: Any) -> int:
    """Return how many values a decoder would make, which it says of an array that is no fit."""
    try:
        decode(data, out=np.empty(0, dtype), **options)
    except ValueError as error:
        if (found := _PROBED.search(str(error))) is None:
            raise
        return math.prod(int(side) for side in found[1].split(",") if side.strip())
    raise ValueError("a block whose size cannot be told")


def _jpeg(
    page: tifffile.TiffPage, data: bytes, index: int, shape: tuple[int, int, int, int]
) -> Block:
    """Decode the bands as they are: the TIFF says that they are not YCbCr, the JPEG nothing."""
    _check_picture(page, data, shape)
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

    libtiff keeps an alpha of 0 and 255 as the mask, and no band for it. Of a big-endian file it
    encodes values whose bytes are swapped.
    """
    further, size = page.tags.valueof(_LERC_TAG, default=(4, 0))[1], math.prod(shape)
    if further:
        most = 2 * size * page.dtype.itemsize + _LERC_HEADERS
        data = _LERC_UNPACKS[further](data, out=most)
    if _probed(imagecodecs.lerc_decode, data, page.dtype, masks=True) > size:
        raise ValueError("a block that is larger inside than its tags say")
    values, mask = imagecodecs.lerc_decode(data, masks=True)
    if page.parent.byteorder == ">":
        values = values.byteswap()
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
