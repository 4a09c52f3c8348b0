"""GeoTIFF by GDAL: samples without data, declared, not finite, or in blocks never written."""

from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from raster_files import geotiff
from raster_files.case import Case
from raster_files.scenes import HEIGHT, WIDTH, numbers_of_bits, scene, with_gap

# What GDAL_NODATA declares, by the type of the samples.
_DECLARED: tuple[tuple[str, float], ...] = (
    ("uint8", 0),
    ("uint8", 255),
    ("int8", -128),
    ("uint16", 0),
    ("uint16", 65535),
    ("int16", -9999),
    ("int16", -32768),
    ("uint32", 2**32 - 1),
    ("int32", -(2**31)),
    ("float32", -9999),
    ("float32", float(np.finfo("float32").min)),
    ("float32", float("nan")),
    ("float64", -9999.5),
    ("float64", float(np.finfo("float64").min)),
    ("float64", float("nan")),
)


def cases() -> Iterator[Case]:
    """All of this module."""
    yield from _declared()
    yield from _few_bits()
    yield from _not_finite()
    yield from _sparse()


def _filled(name: str, stored: np.ndarray, valid: np.ndarray, **options: Any) -> Case:
    return Case(
        f"gdal-{name}.tif",
        partial(geotiff.write, stored=stored, **options),
        stored,
        valid,
        needs=geotiff.RASTERIO,
    )


def _declared() -> Iterator[Case]:
    layouts = {"pixel-none": {}, "band-deflate": {"interleave": "band", "compress": "deflate"}}
    for (dtype, fill), count, (layout, options) in product(_DECLARED, (1, 3, 5), layouts.items()):
        stored, valid = with_gap(scene(count, dtype), fill)
        name = f"{dtype}x{count}-nodata{fill:g}-{layout}"
        yield _filled(name, stored, valid, nodata=fill, **options)
    for (dtype, fill), codec in product(_DECLARED, ("lerc", "lerc_zstd")):
        stored, valid = with_gap(scene(2, dtype), fill)
        name = f"{dtype}x2-nodata{fill:g}-{codec}"
        yield _filled(name, stored, valid, nodata=fill, compress=codec, **geotiff.TILES)
        if not dtype.startswith("float"):
            options = {"compress": codec, "endianness": "big", **geotiff.TILES}
            yield _filled(f"{name}-big-endian", stored, valid, nodata=fill, **options)


def _few_bits() -> Iterator[Case]:
    for bits, fill in ((4, 0), (12, 4095)):
        stored, valid = with_gap(numbers_of_bits(3, bits), fill)
        name = f"{bits}bitx3-nodata{fill}"
        yield _filled(name, stored, valid, nodata=fill, nbits=bits)


def _not_finite() -> Iterator[Case]:
    codecs: dict[str, dict[str, Any]] = {
        "none": {},
        "deflate-predictor3": {"compress": "deflate", "predictor": 3},
        "lzw-predictor2": {"compress": "lzw", "predictor": 2},
        "lerc": {"compress": "lerc"},
        "lerc_deflate": {"compress": "lerc_deflate"},
        "lerc_zstd": {"compress": "lerc_zstd"},
    }
    for dtype, (codec, options), count, order in product(
        ("float32", "float64"), codecs.items(), (1, 3, 13), ("pixel", "band")
    ):
        stored, valid = with_gap(scene(count, dtype), np.nan)
        layout = {"interleave": order, **geotiff.TILES, **options}
        yield _filled(f"{dtype}x{count}-nan-{codec}-{order}", stored, valid, **layout)
    for dtype, value, count in product(("float32", "float64"), (np.inf, -np.inf), (1, 3)):
        stored, valid = with_gap(scene(count, dtype), value)
        yield _filled(f"{dtype}x{count}{value:+}", stored, valid, compress="deflate")
        stored, valid = with_gap(stored, -9999)
        stored[:, 15:, 19:], valid[:, 15:, 19:] = np.nan, False
        yield _filled(f"{dtype}x{count}{value:+}-nan-nodata", stored, valid, nodata=-9999)
    stored, valid = with_gap(scene(2, "float16"), np.nan)
    write = partial(geotiff.write, stored=stored.astype("float32"), nbits=16)
    yield Case("gdal-float16x2-nan.tif", write, stored, valid, needs=geotiff.RASTERIO)


Block = tuple[int, int, int]  # band, top, left


def _sparse() -> Iterator[Case]:
    """Blocks that were never written hold no data, whether declared or not."""
    codecs: tuple[dict[str, Any], ...] = (
        {},
        {"compress": "deflate"},
        {"compress": "lzw", "predictor": 2},
        {"compress": "zstd"},
        {"compress": "lerc"},
    )
    tiles = ((0, 0), (16, 16))
    for dtype, options, order, nodata in product(
        ("uint8", "uint16", "float32"), codecs, ("pixel", "band"), (None, 0)
    ):
        stored = scene(3, dtype)
        blocks = [(band, *tile) for band in range(3) for tile in tiles]
        if order == "band":
            blocks.append((1, 0, 16))
        declared = "" if nodata is None else "-nodata0"
        name = f"{dtype}x3-{options.get('compress', 'none')}-{order}-tiles{declared}"
        layout = {"interleave": order, "nodata": nodata, **geotiff.TILES, **options}
        yield _with_missing_blocks(name, stored, blocks, (16, 16), layout)
    for codec, order in product(("none", "deflate"), ("pixel", "band")):
        blocks = [(band, top, 0) for band in range(2) for top in (0, 14)]
        layout = {"interleave": order, "compress": codec, **geotiff.STRIPS}
        name = f"int16x2-{codec}-{order}-strips"
        yield _with_missing_blocks(name, scene(2, "int16"), blocks, (7, WIDTH), layout)
    for codec in ("none", "deflate", "lerc"):
        layout = {"compress": codec, **geotiff.TILES}
        yield _with_missing_blocks(
            f"uint16x2-{codec}-all", scene(2, "uint16"), [], (16, 16), layout
        )


def _with_missing_blocks(
    name: str, stored: np.ndarray, blocks: list[Block], size: tuple[int, int], layout: Any
) -> Case:
    valid = np.zeros(stored.shape, bool)
    for band, top, left in blocks:
        valid[band, top : top + size[0], left : left + size[1]] = True
    write = partial(_write_blocks, stored=stored, blocks=blocks, size=size, **layout)
    return Case(f"gdal-sparse-{name}.tif", write, stored, valid, needs=geotiff.RASTERIO)


def _write_blocks(
    path: Path, *, stored: np.ndarray, blocks: list[Block], size: tuple[int, int], **layout: Any
) -> None:
    import rasterio
    from rasterio.windows import Window

    shape = {"count": len(stored), "height": HEIGHT, "width": WIDTH, "dtype": stored.dtype}
    place = rasterio.transform.from_origin(500_000, 5_000_000, 10, 10)
    options = {"sparse_ok": True, "photometric": "minisblack", "transform": place, **layout}
    with rasterio.open(path, "w", driver="GTiff", **shape, **options) as file:
        for band, top, left in blocks:
            values = stored[band, top : top + size[0], left : left + size[1]]
            file.write(values, band + 1, window=Window(left, top, *values.shape[::-1]))
