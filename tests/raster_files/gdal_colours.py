"""GeoTIFF by GDAL: palettes, white-is-zero, inks, JPEG and WebP inside, overviews, COG."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from raster_files import geotiff
from raster_files.case import Case
from raster_files.geotiff import case
from raster_files.scenes import (
    cmyk_as_rgb,
    coloured,
    gradients,
    mask_band,
    numbers_of_bits,
    palette,
    scene,
    with_gap,
)

JPEG_TOLERANCE = 12  # of 255, quality 95, on ramps; another colour space or band is far off


def cases() -> Iterator[Case]:
    """All of this module."""
    yield from _palettes()
    yield from _white_is_zero()
    yield from _inks()
    yield from _deep_rgb()
    yield from _jpeg()
    yield from _webp()
    yield from _overviews()
    yield from _cloud_optimized()
    yield from _refused()


def _palettes() -> Iterator[Case]:
    for bits, codec, (shape, tiling), overviews in product(
        (1, 2, 4, 8, 16), ("none", "deflate"), geotiff.TILINGS.items(), (False, True)
    ):
        indices, colours = numbers_of_bits(1, bits), palette(2**bits)
        if bits == 16:  # GDAL keeps all 65,536 colours of such a table
            indices, colours = indices // 100, palette(656)
        options = {"colours": colours, "compress": codec, "overviews": overviews, **tiling}
        depth = {"nbits": bits} if bits < 8 else {}
        name = f"palette-{bits}bit-{codec}-{shape}{'-overview' * overviews}"
        yield case(name, indices, {**options, **depth}, values=coloured(indices, colours))
    indices, valid = with_gap(scene(1, "uint8") // 4, 0)
    options = {"colours": palette(64), "nodata": 0}
    shown = coloured(indices, palette(64))
    yield case("palette-nodata0", indices, options, values=shown, valid=valid)


def _white_is_zero() -> Iterator[Case]:
    """Unsigned samples are turned round by their number of bits; others mean what they say."""
    for dtype, (shape, tiling), overviews in product(
        ("uint8", "int8", "uint16", "int16", "uint32", "float32"),
        geotiff.TILINGS.items(),
        (False, True),
    ):
        stored = scene(1, dtype)
        shown = np.iinfo(dtype).max - stored if dtype.startswith("u") else stored
        options = {"photometric": "miniswhite", "overviews": overviews, **tiling}
        name = f"white-is-zero-{dtype}-{shape}{'-overview' * overviews}"
        yield case(name, stored, options, values=shown)
    for bits in (1, 4, 12):
        stored = numbers_of_bits(1, bits)
        shown = (2**bits - 1 - stored) * (255 if bits == 1 else 1)
        options = {"photometric": "miniswhite", "nbits": bits}
        yield case(f"white-is-zero-{bits}bit", stored, options, values=shown)
    stored, valid = with_gap(scene(1, "uint16"), 0)
    options = {"photometric": "miniswhite", "nodata": 0}
    yield case("white-is-zero-nodata0", stored, options, values=65535 - stored, valid=valid)


def _inks() -> Iterator[Case]:
    inks = scene(4, "uint8")
    for order, codec, (shape, tiling) in product(
        ("pixel", "band"), ("none", "deflate"), geotiff.TILINGS.items()
    ):
        options = {"photometric": "cmyk", "interleave": order, "compress": codec, **tiling}
        yield case(f"cmyk-{codec}-{order}-{shape}", inks, options, values=cmyk_as_rgb(inks))
    inks = gradients(4)
    for order in ("pixel", "band"):
        options = {"photometric": "cmyk", "interleave": order, "compress": "jpeg"}
        yield case(f"cmyk-jpeg-{order}", inks, {**options, "jpeg_quality": 95},
                    values=cmyk_as_rgb(inks), tolerance=JPEG_TOLERANCE)  # fmt: skip


def _deep_rgb() -> Iterator[Case]:
    """16 bit and more with the photometric RGB keep their depth."""
    for dtype, order, codec, overviews in product(
        ("uint16", "int16", "uint32", "float32", "float64"),
        ("pixel", "band"),
        ("none", "deflate"),
        (False, True),
    ):
        options = {"photometric": "rgb", "interleave": order, "compress": codec}
        name = f"rgb-{dtype}-{codec}-{order}{'-overview' * overviews}"
        yield case(name, scene(3, dtype), {**options, "overviews": overviews})


def _jpeg() -> Iterator[Case]:
    kinds: tuple[tuple[int, str, str], ...] = (
        (1, "minisblack", "pixel"),
        (3, "rgb", "pixel"),
        (3, "rgb", "band"),
        (3, "ycbcr", "pixel"),
        (2, "minisblack", "band"),
        (2, "minisblack", "pixel"),
        (3, "minisblack", "pixel"),
        (3, "minisblack", "band"),
        (4, "minisblack", "pixel"),
        (4, "rgb", "pixel"),
        (4, "rgb", "band"),
        (4, "minisblack", "band"),
        (5, "minisblack", "band"),
    )
    for (count, photometric, order), (shape, tiling), overviews in product(
        kinds, geotiff.TILINGS.items(), (False, True)
    ):
        if shape == "strips":
            tiling = {"blockysize": 16}  # JPEG has blocks of 8 rows, of 16 where colours are halved
        options = {"compress": "jpeg", "jpeg_quality": 95, "photometric": photometric}
        layout = {"interleave": order, "overviews": overviews, **tiling}
        name = f"jpeg-{photometric}x{count}-{order}-{shape}{'-overview' * overviews}"
        yield case(name, gradients(count), {**options, **layout}, tolerance=JPEG_TOLERANCE)


def _webp() -> Iterator[Case]:
    for (shape, tiling), overviews in product(geotiff.TILINGS.items(), (False, True)):
        options = {"compress": "webp", "overviews": overviews, **tiling}
        name = f"webp-{shape}{'-overview' * overviews}"
        yield case(name, scene(3, "uint8"), {**options, "webp_lossless": True})
    lossy = {"compress": "webp", "webp_level": 95}
    yield case("lossy-webp", gradients(3), lossy, tolerance=20)


def _overviews() -> Iterator[Case]:
    """An overview of half the size changes nothing."""
    for dtype, count, order in product(
        ("uint8", "int8", "uint16", "float32"), (1, 2, 5, 13), ("pixel", "band")
    ):
        options = {"overviews": True, "interleave": order, "compress": "deflate"}
        yield case(f"{dtype}x{count}-overview-{order}", scene(count, dtype), options)
    for bits in (1, 4, 12):
        stored = numbers_of_bits(1, bits)
        shown = stored * 255 if bits == 1 else stored
        yield case(f"{bits}bit-overview", stored, {"overviews": True, "nbits": bits}, values=shown)


def _cloud_optimized() -> Iterator[Case]:
    cog: dict[str, Any] = {"driver": "COG", "blocksize": 128, "overview_count": 1}
    for dtype, count, codec in product(
        ("uint8", "int8", "uint16", "int16", "float32", "float64"),
        (1, 3, 5),
        ("none", "deflate", "lzw", "zstd", "lerc", "lerc_zstd"),
    ):
        predictor = {"predictor": "yes"} if codec in ("deflate", "lzw") else {}
        options = {"compress": codec, **predictor, **cog}
        yield case(f"cog-{dtype}x{count}-{codec}", scene(count, dtype), options)
    for fill in (0, 255):
        stored, valid = with_gap(scene(3, "uint8"), fill)
        yield case(f"cog-nodata{fill}", stored, {"nodata": fill, **cog}, valid=valid)
    nan, finite = with_gap(scene(5, "float32"), np.nan)
    yield case("cog-nan", nan, {"nodata": np.nan, **cog}, valid=finite)
    webp = {"compress": "webp", "quality": 100, **cog}
    yield case("cog-webp", scene(3, "uint8"), webp)
    jpeg = {"compress": "jpeg", "quality": 95, **cog}
    yield case("cog-jpegx3", gradients(3), jpeg, tolerance=JPEG_TOLERANCE)
    yield case("cog-jpegx1", gradients(1), jpeg, tolerance=JPEG_TOLERANCE)
    alpha = np.concatenate([gradients(3), mask_band()])
    meanings = {"meanings": "red green blue alpha"}
    yield case("cog-alpha", alpha, {"compress": "deflate", **meanings, **cog}, alpha=3)
    valid = mask_band() > 0  # GDAL keeps the alpha of a COG with JPEG as a mask inside
    yield case("cog-jpeg-alpha", alpha, {**jpeg, **meanings}, values=gradients(3), valid=valid,
                tolerance=JPEG_TOLERANCE)  # fmt: skip


def _refused() -> Iterator[Case]:
    slant = scene(2, "float32").astype("complex64")
    for dtype in ("complex_int16", "complex64", "complex128"):
        yield case(dtype, slant, {"dtype": dtype}, values=None, refusal="complex")
    for photometric in ("cielab", "icclab", "itulab"):
        options = {"photometric": photometric}
        yield case(photometric, scene(3, "uint8"), options, values=None, refusal="LAB")
