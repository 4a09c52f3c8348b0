"""Read a TIFF of any bands, depth and layout, through tifffile.

Pillow reads some TIFFs as fewer bands or as 8 bit without a word. What tifffile leaves as stored
is resolved here: palettes, white-is-zero, masks, blocks that were never written.
"""

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from tifffile import COMPRESSION, PHOTOMETRIC

from terrabalance.errors import UnreadableImage
from terrabalance.rasters.blocks import JPEG_2000, read_blocks
from terrabalance.rasters.directories import Refused, all_pages, axes_of, check_pages, open_tiff
from terrabalance.rasters.gdal_tags import (
    band_items,
    footprint_of,
    names_of,
    nodata_text,
    nodata_value,
    scaling_of,
)
from terrabalance.rasters.orientation import ORIENTATION_TAG, known_orientation, upright
from terrabalance.rasters.pictures import read_picture
from terrabalance.rasters.raster import COMPLEX, Layout, Raster, both, declared
from terrabalance.system_errors import pass_on_refusal

_UNNAMED = "QI"  # tifffile's letters for an axis without a name, and for pages one after another
# Kinds that libtiff, behind Pillow, decodes and tifffile does not, all of them of 8 bit or 1.
_PILLOWS = frozenset({
    COMPRESSION.CCITTRLE, COMPRESSION.CCITT_T4, COMPRESSION.CCITT_T6, COMPRESSION.OJPEG,
})  # fmt: skip
_GREY = (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MASK)
_RESOLVED = (
    *_GREY, PHOTOMETRIC.RGB, PHOTOMETRIC.PALETTE, PHOTOMETRIC.SEPARATED, PHOTOMETRIC.YCBCR,
)  # fmt: skip


def read_tiff(path: Path) -> Raster:
    """Read the picture of a TIFF; overviews and thumbnails are passed over.

    Several pages of one band each are the bands of one picture.

    Raises:
        UnreadableImage: damaged, several pictures, or of a kind that is not read; it says what to
            do.
    """
    try:
        with open_tiff(path) as tiff:
            pages, masks = _pages(all_pages(tiff))
            _check_kind(pages[0].keyframe)
            check_pages(path, [*pages, *masks])
            if _is_pillows(pages[0]):
                return read_picture(path)
            return _picture(pages, masks, axes_of(tiff, len(pages)))
    except Refused as error:
        raise UnreadableImage(f"{path}: {error}") from None
    except (UnreadableImage, MemoryError):
        raise
    except Exception as error:  # tifffile and its codecs raise many kinds for a damaged file
        pass_on_refusal(error, path)
        raise UnreadableImage(f"{path}: damaged TIFF ({error})") from error


def _pages(
    every: list[tifffile.TiffPage],
) -> tuple[list[tifffile.TiffPage], list[tifffile.TiffPage]]:
    """Return the pages that make the picture, and those that mask it."""
    masks = [page for page in every if page.is_mask]
    pages = [page for page in every if not (page.is_mask or page.is_reduced)] or every[:1]
    first = pages[0].keyframe
    size = (first.imagelength, first.imagewidth)
    return pages, [page for page in masks if page.shape[:2] == size]


def _check_kind(page: tifffile.TiffPage) -> None:
    """Refuse a kind of values or colours that is not read, before its codec says less of it."""
    kind = page.photometric
    if page.dtype is not None and page.dtype.kind == "c":
        raise Refused(COMPLEX)
    if kind not in _RESOLVED:
        raise Refused(f"colours of the kind {PHOTOMETRIC(kind).name}. Convert it to RGB.")
    if page.dtype is not None and page.parent.byteorder == ">":
        _check_byte_order(page.compression, page.dtype)
    halved = kind == PHOTOMETRIC.YCBCR and page.subsampling not in (None, (1, 1))
    if halved and page.compression == COMPRESSION.NONE:
        raise Refused("YCbCr with halved colours and no compression. Convert it to RGB.")


def _check_byte_order(compression: int, dtype: np.dtype) -> None:
    """Refuse values whose bytes, swapped for a big-endian file, are not known to come back.

    LERC is given floats that are swapped ones, and changes some of these. tifffile swaps the bytes
    within JPEG 2000 and swaps none back; of other writers this cannot be told.
    """
    if compression == COMPRESSION.LERC and dtype.kind == "f":
        raise Refused(
            f"{dtype} in LERC of a big-endian file, which GDAL itself does not get back as written."
            " Write it from its source again, little-endian or with deflate."
        )
    if compression in JPEG_2000 and dtype.itemsize > 1:
        raise Refused(
            f"{dtype} in JPEG 2000 of a big-endian file, whose byte order writers do not agree on. "
            "Write it from its source again, little-endian or with deflate."
        )


def _is_pillows(page: tifffile.TiffPage) -> bool:
    subsampled = page.photometric == PHOTOMETRIC.YCBCR and page.compression != COMPRESSION.JPEG
    return page.compression in _PILLOWS or subsampled


def _picture(pages: list[tifffile.TiffPage], masks: list[tifffile.TiffPage], axes: str) -> Raster:
    first = pages[0].keyframe
    stored, valid = _stored(pages, axes)
    text, items = nodata_text(first), band_items(first)
    valid = both(valid, declared(stored, [nodata_value(text)] * len(stored)))
    for mask in masks:
        covered, written = read_blocks(mask)
        valid = both(valid, _bands_first(covered) != 0)
        valid = both(valid, None if written is None else _bands_first(written))
    pixels, mode = _resolved(stored, first)
    extras = tuple(int(kind) for kind in first.extrasamples) if len(pages) == 1 else ()
    if len(extras) > len(pixels):  # the tag is wrong: it is of more bands than there are
        extras = ()
    alphas = [place for place, kind in enumerate(extras) if kind != 0]
    if alphas and len(extras) >= len(stored):
        raise ValueError("an alpha band beside no other")
    alpha = len(pixels) - len(extras) + alphas[0] if alphas else None
    scaling = scaling_of(items, len(pixels)) if len(pixels) == len(stored) else None
    names = names_of(items, len(pixels))
    orientation = known_orientation(first.tags.valueof(ORIENTATION_TAG))
    return Raster(
        upright(pixels, orientation), mode, None if valid is None else upright(valid, orientation),
        alpha, scaling, footprint_of(first),
        Layout(first.planarconfig == 2, int(first.photometric), extras, text, names, scaling),
    )  # fmt: skip


def _stored(pages: list[tifffile.TiffPage], axes: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Return (C, H, W) as stored, and which samples were ever written; None: all."""
    first = pages[0].keyframe
    if first.imagedepth != 1:
        raise Refused("a volume of several depths; expected one picture.")
    if len(pages) == 1:
        values, written = read_blocks(first)
        return _bands_first(values), None if written is None else _bands_first(written)
    alike = {(page.shape, page.dtype) for page in pages}
    if len(alike) > 1 or first.samplesperpixel != 1:
        raise Refused(f"{len(pages)} pictures in one file; expected one. Split it into files.")
    values = np.empty((len(pages), *first.shape), first.dtype)
    held: np.ndarray | None = None
    for index, page in enumerate(pages):
        plane, written = read_blocks(page)
        values[index] = plane[0, 0, :, :, 0]
        if written is not None:
            held = np.ones(values.shape, bool) if held is None else held
            held[index] = written[0, 0, :, :, 0]
    return _turned(values, axes), None if held is None else _turned(held, axes)


def _bands_first(values: np.ndarray) -> np.ndarray:
    """Turn tifffile's (planes, 1, H, W, samples), one of which is 1, into (C, H, W)."""
    planes, _, height, width, samples = values.shape
    if planes == 1:
        return np.moveaxis(values[0, 0], -1, 0)
    return values.reshape(planes * samples, height, width)


def _turned(pages: np.ndarray, axes: str) -> np.ndarray:
    """Turn pages into (C, H, W): they are bands, or the rows of a picture with its bands last.

    `tifffile.imwrite` of (64, 60, 13) makes 64 pages of 60 x 13. Where the file names its axes
    (`CYX`, `YXC`) the names decide, else the sizes.
    """
    n, height, width = pages.shape
    names = [name for name in axes if name not in "YX"]
    if len(names) > 1:
        raise Refused(f"{n} pages (axes {axes}); expected one picture. Split it into files.")
    if names and names[0] not in _UNNAMED:
        return pages.transpose([axes.index(name) for name in (*names, "Y", "X")])
    if n <= min(height, width):
        return pages
    if width < min(n, height):
        return np.moveaxis(pages, -1, 0)
    raise Refused(
        f"{n} pages of {height} x {width} px (axes {axes}): which axis holds the bands cannot be "
        "told. Write it as one page, e.g. tifffile.imwrite(..., planarconfig='separate')."
    )


def _resolved(stored: np.ndarray, page: tifffile.TiffPage) -> tuple[np.ndarray, str]:
    """Return the values that are meant, and the name of the mode."""
    kind, n_bits = page.photometric, page.bitspersample
    if kind == PHOTOMETRIC.YCBCR:  # which tifffile has turned to RGB
        return stored, "RGB"
    if kind == PHOTOMETRIC.PALETTE:
        return _palette(stored, page), "P"
    if kind == PHOTOMETRIC.SEPARATED:
        return _from_inks(stored), "CMYK"
    if n_bits == 1:
        stored = stored.astype(np.uint8)
        stored *= 255
    if kind == PHOTOMETRIC.MINISWHITE and stored.dtype.kind == "u":
        stored = _turned_white(stored, 8 if n_bits == 1 else n_bits, len(page.extrasamples))
    return stored, _mode(stored)


def _turned_white(stored: np.ndarray, n_bits: int, n_extras: int) -> np.ndarray:
    """Turn white-is-zero to black-is-zero; alpha and further data are no shades of grey."""
    greys = len(stored) - n_extras
    turned = stored.dtype.type(2**n_bits - 1) - stored[:greys]
    return np.concatenate([turned, stored[greys:]]) if n_extras else turned


def _mode(pixels: np.ndarray) -> str:
    pillows = {1: "L", 3: "RGB"}.get(len(pixels)) if pixels.dtype == np.uint8 else None
    return pillows or f"{pixels.dtype}x{len(pixels)}"


def _palette(indices: np.ndarray, page: tifffile.TiffPage) -> np.ndarray:
    colours = page.colormap
    if colours is None:
        raise Refused("a palette image without its palette. Convert it to RGB.")
    if len(indices) != 1:
        raise Refused(f"a palette image of {len(indices)} bands. Convert it to RGB.")
    # The entries are of 16 bit; some writers fill only the lower 8, as libtiff knows.
    eight_bit = (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)
    if indices.max() >= eight_bit.shape[1]:
        raise ValueError("an index beyond the palette")
    pixels = np.empty((3, *indices.shape[1:]), np.uint8)
    for row, places in enumerate(indices[0]):  # NumPy makes 8 bytes of each index
        pixels[:, row] = eight_bit[:, places.astype(np.intp)]
    return pixels


def _from_inks(stored: np.ndarray) -> np.ndarray:
    if len(stored) != 4 or stored.dtype != np.uint8:
        raise Refused(f"{len(stored)} inks of {stored.dtype}. Convert it to RGB.")
    inks = np.ascontiguousarray(np.moveaxis(stored, 0, -1))
    return np.moveaxis(np.asarray(Image.fromarray(inks, "CMYK").convert("RGB")), -1, 0)
