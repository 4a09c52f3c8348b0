"""TIFF by tifffile: GDAL_NODATA however it is spelt, values that are not finite, masks."""

from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from raster_files.case import Case
from raster_files.scenes import corner_mask, scene, with_gap

_NODATA_TAG = 42113
_PLANAR: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "separate"}
_CHUNKY: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "contig"}
_FLOAT_MIN, _DOUBLE_MIN = float(np.finfo("float32").min), float(np.finfo("float64").min)

# How the tag is spelt, and what the samples without data hold.
_DECLARED: tuple[tuple[str, str, float], ...] = (
    ("uint8", "0", 0),
    ("uint8", "255", 255),
    ("uint8", "255.0", 255),
    ("int8", "-128", -128),
    ("uint16", " 65535 ", 65535),
    ("int16", "-9999", -9999),
    ("int16", "-9999.0", -9999),
    ("int16", "-9.999e3", -9999),
    ("int16", "-32768\0", -32768),
    ("int32", "-2147483648", -(2**31)),
    ("uint32", "4294967295", 2**32 - 1),
    ("int64", "-9223372036854775807", -(2**63) + 1),
    ("uint64", "18446744073709551614", 2**64 - 2),
    ("float16", "-9999", -9999),
    ("float16", "nan", np.nan),
    ("float32", "-9999", -9999),
    ("float32", "0.1", 0.1),  # which float32 holds as another number than float64
    ("float32", "1e+30", 1e30),
    ("float32", "-3.4028234663852886e+38", _FLOAT_MIN),
    ("float32", "-3.4028235e+38", _FLOAT_MIN),  # rounded up, beyond the type by a hair
    ("float32", "nan", np.nan),
    ("float32", "NaN", np.nan),
    ("float32", "-inf", -np.inf),
    ("float64", "-1.7976931348623157e+308", _DOUBLE_MIN),
    ("float64", "-1.797e308", -1.797e308),
    ("float64", "nan", np.nan),
)

# What no sample of the type can be: the tag says nothing then, and is no reason to refuse.
_IMPOSSIBLE = (
    ("uint8", "-9999"),
    ("uint8", "256"),
    ("uint8", "nan"),
    ("uint8", "20.5"),
    ("int8", "255"),
    ("uint16", "-1"),
    ("uint16", "-3.4028234663852886e+38"),
    ("uint16", "inf"),
    ("int16", "65535"),
    ("int32", "1e30"),
    ("float16", "1e30"),
    ("float32", "-1.7976931348623157e+308"),
    ("float32", ""),
    ("float32", "none"),
    ("uint16", "n/a"),
)


def cases() -> Iterator[Case]:
    """All of this module."""
    yield from _declared()
    yield from _impossible()
    yield from _not_finite()
    yield from _lerc_masks()
    yield from _mask_pages()


def _nodata(text: str) -> list[tuple[int, str, int, str, bool]]:
    return [(_NODATA_TAG, "s", 0, text, True)]


def _spelt(text: str) -> str:
    return text.strip(" \0").replace("/", "") or "empty"


def _declared() -> Iterator[Case]:
    for (dtype, text, fill), order in product(_DECLARED, "<>"):
        stored, valid = with_gap(scene(3, dtype), 0)
        stored[~valid] = fill
        options = {"byteorder": order, "extratags": _nodata(text), **_PLANAR}
        blanks = "" if text == text.strip(" \0") else "-padded"
        endian = "big" if order == ">" else "little"
        name = f"tifffile-{dtype}-nodata-{_spelt(text)}{blanks}-{endian}.tif"
        yield Case(name, partial(tifffile.imwrite, data=stored, **options), stored, valid)


def _impossible() -> Iterator[Case]:
    for dtype, text in _IMPOSSIBLE:
        stored = scene(3, dtype)
        options = {"extratags": _nodata(text), **_PLANAR}
        name = f"tifffile-{dtype}-nodata-cannot-be-{_spelt(text)}.tif"
        yield Case(name, partial(tifffile.imwrite, data=stored, **options), stored)


def _not_finite() -> Iterator[Case]:
    for dtype, value, codec, chunky in product(
        ("float16", "float32", "float64"),
        (np.nan, np.inf, -np.inf),
        (None, "zlib", "zstd"),
        (True, False),
    ):
        stored, valid = with_gap(scene(5, dtype), value)
        layout = _CHUNKY if chunky else _PLANAR
        options = {"compression": codec, "predictor": codec == "zlib", "tile": (16, 16), **layout}
        data = np.ascontiguousarray(stored.transpose(1, 2, 0)) if chunky else stored
        name = f"tifffile-{dtype}-{value:+}-{codec or 'none'}-{'chunky' if chunky else 'planar'}"
        write = partial(tifffile.imwrite, data=data, **options)
        yield Case(f"{name}.tif", write, stored, valid)


def _lerc_masks() -> Iterator[Case]:
    """What LERC itself masks; the values below are not kept."""
    valid = corner_mask()
    for dtype, inner in product(("uint8", "int16", "float32"), (None, "deflate", "zstd")):
        stored = scene(1, dtype)
        args = {"level": 0, "masks": valid[0], **({"compression": inner} if inner else {})}
        options = {"compression": "lerc", "compressionargs": args, "photometric": "minisblack"}
        name = f"tifffile-{dtype}-lerc-mask-{inner or 'plain'}.tif"
        write = partial(tifffile.imwrite, data=stored[0], **options)
        yield Case(name, write, stored, valid)


def _write_with_mask(path: Path, *, data: np.ndarray, mask: np.ndarray, **options: Any) -> None:
    with tifffile.TiffWriter(path) as file:
        file.write(data, **options)
        file.write(mask, photometric="mask", subfiletype=4, metadata=None)


def _mask_pages() -> Iterator[Case]:
    """A page that calls itself a mask."""
    valid = corner_mask()
    for dtype, count, codec in product(("uint8", "uint16", "float32"), (1, 5), (None, "zlib")):
        stored = scene(count, dtype)
        layout = {"photometric": "minisblack"} if count == 1 else _PLANAR
        data = stored[0] if count == 1 else stored
        write = partial(_write_with_mask, data=data, mask=valid[0], compression=codec, **layout)
        yield Case(f"tifffile-{dtype}x{count}-mask-{codec or 'none'}.tif", write, stored, valid)
