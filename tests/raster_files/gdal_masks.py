"""GeoTIFF by GDAL: masks inside and beside the file, and bands that it calls alpha."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from raster_files import geotiff
from raster_files.case import Case
from raster_files.geotiff import case
from raster_files.scenes import (
    coloured,
    corner_mask,
    gradients,
    mask_band,
    numbers_of_bits,
    palette,
    scene,
    with_gap,
)

_RGB_ALPHA = "red green blue alpha"


def cases() -> Iterator[Case]:
    """All of this module."""
    yield from _masks_inside()
    yield from _masks_of_colours()
    yield from _masks_beside()
    yield from _alpha_of_four_bands()
    yield from _alpha_elsewhere()
    yield from _alpha_as_lerc_mask()


def _masks_inside() -> Iterator[Case]:
    """A mask inside holds for all bands, with and without an overview, which has its own."""
    valid = corner_mask()
    for dtype, count, codec, order, overviews in product(
        ("uint8", "int8", "uint16", "float32"),
        (1, 3, 5),
        ("none", "deflate", "lerc"),
        ("pixel", "band"),
        (False, True),
    ):
        options = {"mask": valid, "compress": codec, "interleave": order, "overviews": overviews}
        name = f"{dtype}x{count}-mask-{codec}-{order}{'-overview' * overviews}"
        tiling = geotiff.TILES if overviews else geotiff.STRIPS
        yield case(name, scene(count, dtype), {**options, **tiling}, valid=valid)
    stored, declared = with_gap(scene(3, "int16"), -9999)
    valid[:, 15:, 20:] = False
    options = {"mask": valid, "nodata": -9999}
    yield case("int16x3-mask-and-nodata", stored, options, valid=valid & declared)
    nan, finite = with_gap(scene(3, "float32"), np.nan)
    yield case("float32x3-mask-and-nan", nan, {"mask": valid}, valid=valid & finite)


def _masks_of_colours() -> Iterator[Case]:
    valid, mask = corner_mask(), {"mask": corner_mask()}
    indices, colours = scene(1, "uint8") // 4, palette(64)
    shown = coloured(indices, colours)
    bilevel, twelve = numbers_of_bits(1, 1), numbers_of_bits(3, 12)
    grey = scene(1, "uint8")
    white = {"photometric": "miniswhite", **mask}
    yield case("palette-mask", indices, {"colours": colours, **mask}, values=shown, valid=valid)
    yield case("white-is-zero-mask", grey, white, values=255 - grey, valid=valid)
    yield case("1bit-mask", bilevel, {"nbits": 1, **mask}, values=bilevel * 255, valid=valid)
    yield case("12bit-mask", twelve, {"nbits": 12, **mask}, valid=valid)
    smooth = gradients(3)
    for photometric, tiled in product(("rgb", "ycbcr"), (False, True)):
        jpeg = {"compress": "jpeg", "jpeg_quality": 95, "photometric": photometric, **mask}
        tiling = geotiff.TILES if tiled else {}
        name = f"jpeg-{photometric}-mask-{'tiles' if tiled else 'strips'}"
        yield case(name, smooth, {**jpeg, **tiling}, valid=valid, tolerance=12)


def _masks_beside() -> Iterator[Case]:
    for dtype, count in (("uint8", 3), ("uint16", 5)):
        options = {"mask": corner_mask(), "mask_inside": False}
        name, refusal = f"{dtype}x{count}-mask-beside", r"\.msk\b"
        yield case(name, scene(count, dtype), options, values=None, refusal=refusal)


def _alpha_of_four_bands() -> Iterator[Case]:
    """A band that the file calls alpha stays a band, whatever it holds; its place is known."""
    for dtype, order, codec in product(
        ("uint8", "uint16"), ("pixel", "band"), ("none", "deflate", "zstd")
    ):
        colour = scene(3, dtype)
        contents = {
            "mask": mask_band(dtype),
            "constant": np.full_like(colour[:1], np.iinfo(dtype).max),
            "infrared": scene(4, dtype)[3:],
        }
        options = {"photometric": "rgb", "alpha": "yes", "interleave": order, "compress": codec}
        for content, band in contents.items():
            name = f"{dtype}-rgb-alpha-{content}-{codec}-{order}"
            yield case(name, np.concatenate([colour, band]), options, alpha=3)
    stored = np.concatenate([scene(3, "uint8"), mask_band()])
    yield case("uint8x4-alpha-by-default", stored, {}, alpha=3)
    yield case("uint8-rgb-alpha-premultiplied", stored, {"alpha": "premultiplied"}, alpha=3)
    webp = {"compress": "webp", "webp_lossless": True, **geotiff.TILES}
    yield case("uint8-rgb-alpha-webp", stored, webp, alpha=3)


def _alpha_elsewhere() -> Iterator[Case]:
    for dtype, order in product(("uint8", "uint16"), ("pixel", "band")):
        bands = [band[None] for band in scene(5, dtype)]
        options = {"photometric": "rgb", "interleave": order}
        for place in (3, 4):
            stored = np.concatenate([*bands[:place], mask_band(dtype), *bands[place:4]])
            names = ["red", "green", "blue", "undefined", "undefined"]
            names[place] = "alpha"
            name = f"{dtype}x5-alpha-is-{place}-{order}"
            yield case(name, stored, {**options, "meanings": " ".join(names)}, alpha=place)
        stored = np.concatenate([bands[0], mask_band(dtype)])
        grey = {"alpha": "yes", "interleave": order}
        yield case(f"{dtype}-grey-alpha-{order}", stored, grey, alpha=1)
        stored = np.concatenate([*bands[:2], mask_band(dtype), *bands[2:4]])
        names = "gray undefined alpha undefined undefined"
        between = {"photometric": "minisblack", "interleave": order, "meanings": names}
        yield case(f"{dtype}-grey-alpha-between-{order}", stored, between, alpha=2)
    floats = np.concatenate([scene(3, "float32"), corner_mask().astype("float32")])
    yield case("float32-rgb-alpha", floats, {"photometric": "rgb", "alpha": "yes"}, alpha=3)


def _alpha_as_lerc_mask() -> Iterator[Case]:
    """libtiff keeps an alpha of 0 and 255 as LERC's own mask, and nothing of what lies below."""
    codecs, orders = ("lerc", "lerc_deflate", "lerc_zstd"), ("pixel", "band")
    for codec, order, colours in product(codecs, orders, (1, 3)):
        options = {"alpha": "yes", "compress": codec, "interleave": order}
        options["photometric"] = "rgb" if colours == 3 else "minisblack"
        for dtype, content in product(("uint8", "uint16"), ("mask", "opaque", "infrared")):
            bands, masked = scene(colours + 1, dtype), None
            if content != "infrared":
                bands[-1] = mask_band(dtype) if content == "mask" else np.iinfo(dtype).max
            if content == "mask" and dtype == "uint8" and order == "pixel":
                masked = corner_mask()
            name = f"{dtype}x{colours}-alpha-{content}-{codec}-{order}"
            yield case(name, bands, {**options, **geotiff.TILES}, valid=masked, alpha=colours)
