"""The directories of a TIFF: its pages, and whether what they claim is sound and of a size to read.

What tifffile knows of microscopes' dialects is left out but for the three that name the axes of
bands: others read further files, or trust counts that are not of pages.
"""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tifffile
from tifffile import COMPRESSION, PHOTOMETRIC

from terrabalance.rasters.limits import check_claim

_MOST_PAGES = 1024
_MOST_BLOCKS = 2**18  # of all pages, whose places tifffile keeps as numbers of Python
_MOST_BANDS = 2**16 - 1  # as many as the tag counts in its usual type
_NAMING = ("shaped", "ome", "imagej")  # dialects that name axes
_OTHERS = (
    "avs", "bif", "eer", "fluoview", "indica", "lsm", "mdgel", "mmstack", "ndpi", "ndtiff", "nih",
    "philips", "qpi", "scanimage", "scn", "sis", "stk", "svs",
)  # fmt: skip
_OME_NUMBERS = re.compile(
    r"""\b(Size[XYZCT]|\w*Count|NumPlanes|IFD|First[XYZCT]|SamplesPerPixel)\s*=\s*["']([^"']*)"""
)
_OME_MORE = re.compile(r"<!(?!--)|Along")  # declarations, and axes that are counted in other ways
_MOST_OME = 2**20  # characters of XML
_DECODED = frozenset({
    COMPRESSION.NONE, COMPRESSION.CCITTRLE, COMPRESSION.CCITT_T4, COMPRESSION.CCITT_T6,
    COMPRESSION.LZW, COMPRESSION.OJPEG, COMPRESSION.JPEG, COMPRESSION.ADOBE_DEFLATE,
    COMPRESSION.DEFLATE, COMPRESSION.PACKBITS, COMPRESSION.LZMA, COMPRESSION.ZSTD,
    COMPRESSION.LERC, COMPRESSION.WEBP, COMPRESSION.JPEG2000, COMPRESSION.APERIO_JP2000_YCBC,
    COMPRESSION.APERIO_JP2000_RGB, COMPRESSION.JPEG_2000_LOSSY, COMPRESSION.JPEGXL,
    COMPRESSION.JPEGXL_DNG, COMPRESSION.PNG, COMPRESSION.JPEGXR,
})  # fmt: skip
_COUNTS_TAGS = (279, 325)  # StripByteCounts, TileByteCounts


class Refused(Exception):
    """A sound TIFF that is not read."""


@contextmanager
def open_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a TIFF, and no other file that it names.

    Raises:
        tifffile.TiffFileError: it is none.
    """
    others = {f"is_{name}": False for name in _OTHERS}
    with tifffile.TiffFile(path, _multifile=False, **others) as tiff:
        yield tiff


def all_pages(tiff: tifffile.TiffFile) -> list[tifffile.TiffPage]:
    """Read every directory; not those below a page, which are overviews.

    Raises:
        Refused: more than a picture has, of pages or of blocks.
    """
    if len(tiff.pages) > _MOST_PAGES:
        raise Refused(f"{len(tiff.pages)} pages; expected one picture. Split it into files.")
    pages, n_blocks, n_below = [], 0, 0
    for index in range(len(tiff.pages)):
        page = tiff.pages[index]
        pages.append(page)
        n_blocks += len(page.dataoffsets) + len(page.databytecounts)
        n_below += len(page.subifds or ())
        if n_blocks > 2 * _MOST_BLOCKS:
            raise Refused(f"more than {_MOST_BLOCKS:,} tiles or strips. Write it in larger ones.")
        if n_below > _MOST_PAGES:
            raise Refused(f"more than {_MOST_PAGES:,} overviews. Write it without them.")
    return pages


def axes_of(tiff: tifffile.TiffFile, n_pages: int) -> str:
    """Return the names of the axes of several pages; empty where the file has none for all.

    Raises:
        Refused: it counts more planes than pages can be.
    """
    if n_pages == 1 or not any(getattr(tiff, f"is_{name}") for name in _NAMING):
        return "I" + tiff.pages.first.axes if n_pages > 1 else ""
    if tiff.is_ome:
        _check_ome(tiff.pages.first)
    series = tiff.series[0]
    return series.axes if len(series) == n_pages else ""


def _check_ome(page: tifffile.TiffPage) -> None:
    """Refuse an OME-XML by whose numbers tifffile would make lists without end."""
    said = page.description
    found = _OME_NUMBERS.findall(said)
    sound = len(said) <= _MOST_OME and not _OME_MORE.search(said)
    sound = sound and all(re.fullmatch("[0-9]{1,6}", number) for _, number in found)
    if sound:
        most: dict[str, int] = {"SizeX": 0, "SizeY": 0}
        for name, number in found:
            most[name] = max(most.get(name, 0), int(number))
        wide, high = most.pop("SizeX"), most.pop("SizeY")
        planes = math.prod(most.get(f"Size{axis}", 1) for axis in "ZCT")
        sound = wide <= page.imagewidth and high <= page.imagelength
        sound = sound and max(planes, *most.values(), 0) <= _MOST_PAGES
    if not sound:
        raise Refused("OME-XML that does not fit its pages. Write the file without it.")


def check_pages(path: Path, pages: list[tifffile.TiffPage]) -> None:
    """Refuse pages that are read together by their size, or for blocks that are not there.

    Raises:
        Refused: a way of compression that is not read.
        UnreadableImage: too large, see `terrabalance.rasters.limits`.
        ValueError: damaged.
    """
    n_bytes = 0
    for page in pages:
        if page.compression not in _DECODED:
            raise Refused(f"compression {_name(page.compression)}. Convert it to deflate.")
        if 0 in page.shaped or page.samplesperpixel > _MOST_BANDS:
            # Without pixels, any number of bands is no bytes, and yet a list of so many.
            raise ValueError(f"{page.samplesperpixel:,} bands of {page.shaped} values")
        if page.dtype is None or page.imagedepth != 1:
            continue  # which is told when it is read
        high, wide = _block(page)
        rows, columns = -(-page.imagelength // high), -(-page.imagewidth // wide)
        planes = page.samplesperpixel if page.planarconfig == 2 else 1
        n_samples = 3 if page.photometric == PHOTOMETRIC.PALETTE else page.samplesperpixel
        itemsize = page.dtype.itemsize
        if page.bitspersample != 8 * itemsize:
            itemsize *= 2  # it is unpacked from few bits beside what they were
        n_bytes += rows * high * columns * wide * n_samples * itemsize
        n_pixels = max(page.imagelength * page.imagewidth, high * wide)
        check_claim(path, n_pixels, n_bytes, page.parent.filehandle.size)
        check_blocks(page, rows * columns * planes)


def _block(page: tifffile.TiffPage) -> tuple[int, int]:
    """Return height and width of a block.

    Raises:
        ValueError: it has none.
    """
    if page.is_tiled:
        high, wide = page.tilelength, page.tilewidth
    else:
        high, wide = page.rowsperstrip or page.imagelength, page.imagewidth
    if min(high, wide) < 1:
        raise ValueError("blocks without a size")
    return high, wide


def check_blocks(page: tifffile.TiffPage, n_blocks: int) -> None:
    """Refuse a page that claims blocks which the file does not hold; tifffile makes these up.

    A block that was never written has neither a place nor a length, as GDAL has it.

    Raises:
        ValueError: the file is cut short, or its directory is damaged.
    """
    offsets, lengths = page.dataoffsets, page.databytecounts
    if min(len(offsets), len(lengths)) < n_blocks:
        raise ValueError(
            f"truncated: {min(len(offsets), len(lengths))} of {n_blocks} tiles or strips"
        )
    says_lengths = any(tag in page.tags for tag in _COUNTS_TAGS)
    end = page.parent.filehandle.size
    for offset, length in zip(offsets[:n_blocks], lengths[:n_blocks], strict=True):
        if length and not offset:
            raise ValueError("a tile or strip without a place")
        if says_lengths and offset + length > end and length:
            raise ValueError("truncated: a tile or strip lies beyond the end")


def _name(compression: int) -> str:
    known = int(compression) in {int(each) for each in COMPRESSION}
    return COMPRESSION(compression).name if known else str(compression)
