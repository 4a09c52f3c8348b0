"""GeoTIFF by GDAL: every type in every lossless compression, layout and byte order."""

from collections.abc import Iterator
from functools import partial
from itertools import cycle, product

from raster_files import geotiff
from raster_files.case import Case
from raster_files.scenes import DTYPES, numbers_of_bits, scene

COUNTS = (1, 2, 3, 4, 5, 13)
CODECS = ("none", "deflate", "lzw", "packbits", "zstd", "lzma", "lerc", "lerc_deflate", "lerc_zstd")
BITS = (1, 2, 4, 7, 9, 12, 15, 17, 24)


def cases() -> Iterator[Case]:
    """All of this module."""
    yield from _compressions()
    yield from _predictors()
    yield from _band_counts()
    yield from _big_endian()
    yield from _odd_bits()
    yield from _fax()


def _case(name: str, dtype: str, count: int, **options: object) -> Case:
    stored = scene(count, dtype)
    return Case(
        f"gdal-{dtype}x{count}-{name}.tif",
        partial(geotiff.write, stored=stored, **options),
        stored,
        alpha=geotiff.alpha_by_default(stored),
        needs=geotiff.RASTERIO,
    )


def _compressions() -> Iterator[Case]:
    """Every type in every codec, in strips and tiles, chunky and planar, counts in turn."""
    counts = cycle(COUNTS)
    layouts = product(("pixel", "band"), geotiff.TILINGS.items())
    for dtype, codec, (order, (shape, tiling)) in product(DTYPES, CODECS, tuple(layouts)):
        name = f"{codec}-{order}-{shape}"
        yield _case(name, dtype, next(counts), compress=codec, interleave=order, **tiling)


def _predictors() -> Iterator[Case]:
    for dtype, codec, order in product(DTYPES, ("deflate", "lzw", "zstd"), ("pixel", "band")):
        for predictor in (2, 3) if dtype.startswith("float") else (2,):
            name = f"{codec}-predictor{predictor}-{order}"
            options = {"compress": codec, "predictor": predictor, "interleave": order}
            yield _case(name, dtype, 3, **options, **geotiff.TILES)


def _band_counts() -> Iterator[Case]:
    layouts = product(("pixel", "band"), geotiff.TILINGS.items())
    for dtype, count, (order, (shape, tiling)) in product(
        ("uint8", "uint16", "float32"), COUNTS, tuple(layouts)
    ):
        yield _case(f"{order}-{shape}", dtype, count, interleave=order, **tiling)


def _big_endian() -> Iterator[Case]:
    codecs = {"none": {}, "deflate": {"compress": "deflate", "predictor": 2}}
    for dtype, (codec, options), order in product(DTYPES, codecs.items(), ("pixel", "band")):
        name = f"big-endian-{codec}-{order}"
        yield _case(name, dtype, 3, endianness="big", interleave=order, **options)
    for dtype, order in product(("float32", "float64"), ("pixel", "band")):
        options = {"compress": "deflate", "predictor": 3, "interleave": order}
        yield _case(f"big-endian-predictor3-{order}", dtype, 2, endianness="big", **options)
    lerc, wholes = ("lerc", "lerc_deflate", "lerc_zstd"), ("uint16", "int16", "uint32", "int32")
    for dtype, codec, (shape, tiling) in product(wholes, lerc, geotiff.TILINGS.items()):
        options = {"compress": codec, "max_z_error": 0, "endianness": "big", **tiling}
        yield _case(f"big-endian-{codec}-{shape}", dtype, 3, **options)
    for dtype in ("float32", "float64"):
        write = partial(
            geotiff.write, stored=scene(1, dtype), compress="lerc", max_z_error=0, endianness="big"
        )
        name = f"gdal-{dtype}-big-endian-lerc.tif"
        yield Case(name, write, refusal="big-endian", needs=geotiff.RASTERIO)
    for endianness, dtype in product(("little", "big"), ("uint8", "uint16", "float64")):
        options = {"bigtiff": "yes", "endianness": endianness, **geotiff.TILES}
        yield _case(f"bigtiff-{endianness}", dtype, 5, **options)


def _odd_bits() -> Iterator[Case]:
    """Numbers of few or odd bits stay as stored; those of 1 bit are black and white."""
    for bits, count, order, codec in product(
        BITS, (1, 3), ("pixel", "band"), ("none", "deflate", "lzw")
    ):
        stored = numbers_of_bits(count, bits)
        options = {"nbits": bits, "interleave": order, "compress": codec}
        yield Case(
            f"gdal-{bits}bitx{count}-{codec}-{order}.tif",
            partial(geotiff.write, stored=stored, **options, **geotiff.STRIPS),
            stored * 255 if bits == 1 else stored,
            needs=geotiff.RASTERIO,
        )
    for bits, order in product((4, 12), ("pixel", "band")):
        stored = numbers_of_bits(3, bits)
        options = {"nbits": bits, "interleave": order, "endianness": "big"}
        write = partial(geotiff.write, stored=stored, **options)
        yield Case(
            f"gdal-{bits}bitx3-big-endian-{order}.tif", write, stored, needs=geotiff.RASTERIO
        )
    half = scene(3, "float16")
    for order in ("pixel", "band"):
        stored = half.astype("float32")
        write = partial(geotiff.write, stored=stored, nbits=16, interleave=order)
        yield Case(f"gdal-float16x3-{order}.tif", write, half, needs=geotiff.RASTERIO)


def _fax() -> Iterator[Case]:
    stored = numbers_of_bits(1, 1)
    for codec, (shape, tiling), photometric in product(
        ("ccittrle", "ccittfax3", "ccittfax4"),
        geotiff.TILINGS.items(),
        ("minisblack", "miniswhite"),
    ):
        options = {"nbits": 1, "compress": codec, "photometric": photometric, **tiling}
        shown = stored if photometric == "minisblack" else 1 - stored
        yield Case(
            f"gdal-{codec}-{shape}-{photometric}.tif",
            partial(geotiff.write, stored=stored, **options),
            shown * 255,
            needs=geotiff.RASTERIO,
        )
