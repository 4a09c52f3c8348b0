"""TIFF by tifffile: types, codecs, predictors, byte orders, few bits."""

from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from raster_files.case import Case
from raster_files.scenes import DTYPES, gradients, mask_band, numbers_of_bits, scene

_EVERY_DTYPE = (*DTYPES, "float16", "int64", "uint64")
_CODECS = ("none", "zlib", "deflate", "lzw", "packbits", "zstd", "lzma")
CHUNKY: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "contig"}
PLANAR: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "separate"}
TILES = {"tile": (16, 16)}
_STRIPS = {"rowsperstrip": 7}


def cases() -> Iterator[Case]:
    """All of this module."""
    yield from _compressions()
    yield from _predictors()
    yield from _picture_codecs()
    yield from _lerc()
    yield from _few_bits()
    yield from _white_is_zero()


def _write(path: Path, *, stored: np.ndarray, **options: Any) -> None:
    if options.get("compression") == "none":
        options["compression"] = None
    tifffile.imwrite(path, stored, **options)


def case_of(name: str, stored: np.ndarray, options: dict[str, Any], **expected: Any) -> Case:
    """Name a case; `stored` is as tifffile takes it, and what is expected if nothing else is."""
    expected = expected or {"values": stored}
    return Case(f"tifffile-{name}.tif", partial(_write, stored=stored, **options), **expected)


def last(bands: np.ndarray) -> np.ndarray:
    """(H, W, C) of (C, H, W)."""
    return np.ascontiguousarray(bands.transpose(1, 2, 0))


def one_or_last(bands: np.ndarray) -> np.ndarray:
    """(H, W) of one band, (H, W, C) of more."""
    return bands[0] if len(bands) == 1 else last(bands)


def _compressions() -> Iterator[Case]:
    layouts = tuple(product((CHUNKY, PLANAR), (_STRIPS, TILES), "<>"))
    for i, (dtype, codec) in enumerate(product(_EVERY_DTYPE, _CODECS)):
        for layout, tiling, order in (layouts[i % 8], layouts[(i + 5) % 8]):
            bands = scene(2 + i % 4, dtype)
            chunky = layout is CHUNKY
            options = {"compression": codec, "byteorder": order, **layout, **tiling}
            name = "-".join((
                f"{dtype}x{len(bands)}", codec, "chunky" if chunky else "planar",
                "tiles" if tiling is TILES else "strips", "big" if order == ">" else "little",
            ))  # fmt: skip
            yield case_of(name, last(bands) if chunky else bands, options, values=bands)
    for dtype, order in product(("uint8", "int16", "float32"), "<>"):
        bands = scene(13, dtype)
        options = {"bigtiff": True, "byteorder": order, "compression": "zlib", **PLANAR}
        yield case_of(f"{dtype}x13-bigtiff-{'big' if order == '>' else 'little'}", bands, options)


def _predictors() -> Iterator[Case]:
    """Differences of whole numbers, and those of the bytes of floats."""
    for dtype, codec, chunky, order in product(
        (*DTYPES, "float16"), ("zlib", "lzw"), (True, False), "<>"
    ):
        bands = scene(3, dtype)
        layout = CHUNKY if chunky else PLANAR
        options = {"compression": codec, "predictor": True, "byteorder": order, **layout, **TILES}
        endian = "big" if order == ">" else "little"
        name = f"{dtype}-{codec}-predictor-{'chunky' if chunky else 'planar'}-{endian}"
        yield case_of(name, last(bands) if chunky else bands, options, values=bands)


def _picture_codecs() -> Iterator[Case]:
    """Codecs of pictures inside a TIFF, where they lose nothing, and JPEG."""
    lossless = (
        ("jpeg2000", ("uint8", "uint16"), (1, 3, 4, 13)),
        ("jpegxl", ("uint8", "uint16", "float32"), (1, 3)),
        ("png", ("uint8", "uint16"), (1, 3)),
        ("jpegxr", ("uint8", "uint16"), (1, 3)),
        ("webp", ("uint8",), (3,)),
    )
    for codec, dtypes, counts in lossless:
        for dtype, count, tiling in product(dtypes, counts, (TILES, {})):
            bands = scene(count, dtype)
            kind = {1: {}, 3: {"photometric": "rgb"}}.get(count, CHUNKY)
            name = f"{dtype}x{count}-{codec}-{'tiles' if tiling else 'strip'}"
            options = {"compression": codec, **kind, **tiling}
            yield case_of(name, one_or_last(bands), options, values=bands)
    for dtype in ("uint16", "int16"):  # which tifffile itself reads with the bytes swapped
        options = {"compression": "jpeg2000", "byteorder": ">"}
        stored = scene(1, dtype)[0]
        yield case_of(f"{dtype}-jpeg2000-big", stored, options, refusal="big-endian")
    for count in (1, 3):  # three bands become YCbCr
        bands = gradients(count)
        options = {"compression": "jpeg", "compressionargs": {"level": 95}}
        yield case_of(f"jpegx{count}", one_or_last(bands), options, values=bands, tolerance=12)


def _lerc() -> Iterator[Case]:
    for dtype, inner, chunky in product(DTYPES, (None, "deflate", "zstd"), (True, False)):
        bands = scene(3, dtype)
        args = {"level": 0, **({"compression": inner} if inner else {})}
        layout = CHUNKY if chunky else PLANAR
        options = {"compression": "lerc", "compressionargs": args, **layout, **TILES}
        name = f"{dtype}x3-lerc-{inner or 'plain'}-{'chunky' if chunky else 'planar'}"
        yield case_of(name, last(bands) if chunky else bands, options, values=bands)


def _few_bits() -> Iterator[Case]:
    for bits, count, order in product((1, 2, 4, 7, 12), (1, 3), "<>"):
        if bits > 8 and order == ">":
            continue  # tifffile packs those in an order of its own, as libtiff does not
        bands = numbers_of_bits(count, bits)
        shown = bands * 255 if bits == 1 else bands
        stored = one_or_last(bands)
        photometric = "minisblack" if count == 1 else "rgb"
        options = {"bitspersample": bits, "byteorder": order, "photometric": photometric}
        name = f"{bits}bitx{count}-{'big' if order == '>' else 'little'}"
        yield case_of(name, stored, options, values=shown)
    truth = numbers_of_bits(1, 1)
    # tifffile calls bool white-is-zero, as facsimiles are: True is black.
    yield case_of("bool", truth[0].astype(bool), {}, values=(1 - truth) * 255)
    for photometric, shown in {"minisblack": truth, "miniswhite": 1 - truth}.items():
        options = {"photometric": photometric}
        yield case_of(f"bool-{photometric}", truth[0].astype(bool), options, values=shown * 255)
    for codec in ("packbits", "zlib", "zstd"):
        options = {"photometric": "minisblack", "compression": codec}
        yield case_of(f"bool-{codec}", truth[0].astype(bool), options, values=truth * 255)
    planes = numbers_of_bits(3, 1)
    options = {"photometric": "rgb", "planarconfig": "separate"}
    yield case_of("bool-planar", planes.astype(bool), options, values=planes * 255)


def _white_is_zero() -> Iterator[Case]:
    """Unsigned greys are turned round, and no other band of the pixel."""
    for dtype in ("uint8", "uint16", "int16", "float32"):
        stored = scene(1, dtype)
        shown = np.iinfo(dtype).max - stored if dtype.startswith("u") else stored
        options: dict[str, Any] = {"photometric": "miniswhite"}
        yield case_of(f"{dtype}-miniswhite", stored[0], options, values=shown)
        if not dtype.startswith("u"):
            continue
        both = np.concatenate([stored, mask_band(dtype)])
        for layout, kind in product(("contig", "separate"), ("unassalpha", "unspecified")):
            more = {**options, "planarconfig": layout, "extrasamples": [kind]}
            data = last(both) if layout == "contig" else both
            name = f"{dtype}-miniswhite-{kind}-{layout}"
            yield case_of(name, data, more, values=np.concatenate([shown, both[1:]]),
                          alpha=1 if kind == "unassalpha" else None)  # fmt: skip
