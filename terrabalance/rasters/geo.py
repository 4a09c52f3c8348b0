"""Read what only GDAL reads, through rasterio: JPEG 2000, NITF, ENVI, ERDAS Imagine, VRT."""

import os
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from terrabalance.errors import UnreadableImage
from terrabalance.rasters.formats import (
    LONGEST_BEGINNING,
    Format,
    format_that_begins,
    side_file_places,
)
from terrabalance.rasters.gdal_tags import scaling_or_none
from terrabalance.rasters.limits import check_claim, check_file
from terrabalance.rasters.raster import COMPLEX, Footprint, Raster, both, declared, footprint_around
from terrabalance.rasters.vrt import vrt_sources
from terrabalance.system_errors import pass_on_refusal

# One driver for each format: a stranger's file reaches none of GDAL's many others.
_DRIVERS = {
    "JPEG 2000": "JP2OpenJPEG",
    "NITF": "NITF",
    "ENVI": "ENVI",
    "ERDAS Imagine": "HFA",
    "VRT": "VRT",
}
# Of the images in a VRT; their names do not tell, as GDAL goes by their content.
_SOURCE_DRIVERS = {
    "JPEG": "JPEG", "PNG": "PNG", "TIFF": "GTiff", "WebP": "WEBP", "JPEG 2000": "JP2OpenJPEG",
    "NITF": "NITF", "ERDAS Imagine": "HFA",
}  # fmt: skip
_MOST_BANDS = 1024
# Else the error of a tile that cannot be decoded stays in GDAL's thread, and the tile is zeros.
_WHOLE = {"GDAL_NUM_THREADS": 1}

# An image without a place is no reason to warn. Set once, see `terrabalance.rasters.decode`.
warnings.filterwarnings("ignore", message="Dataset has no geotransform")


def read_with_gdal(path: Path, kind: Format) -> Raster:
    """Read an image through rasterio.

    Raises:
        UnreadableImage: rasterio is not installed, the file is damaged, or it is a VRT of more
            than images beside it.
    """
    try:
        import rasterio
    except ImportError:
        raise UnreadableImage(
            f"{path}: {kind.name} is read with the extra geo. Run pip install 'terrabalance[geo]', "
            "or convert it to TIFF."
        ) from None
    _check_beside(path)
    sources = vrt_sources(path) if kind.name == "VRT" else Counter()
    try:
        held = _check_sources(path, sources, rasterio.open)
        with (
            rasterio.Env(**_WHOLE),
            rasterio.open(path, driver=_DRIVERS[kind.name]) as source,
        ):
            if source.count > _MOST_BANDS:
                raise UnreadableImage(f"{path}: {source.count:,} bands; at most {_MOST_BANDS:,}.")
            if any(dtype.startswith("complex") for dtype in source.dtypes):
                raise UnreadableImage(f"{path}: {COMPLEX}")
            _check_length(path, source)
            held += sum(os.path.getsize(file) for file in source.files)  # noqa: PTH202
            _check_size(path, source, held)
            return _raster(source)
    except (UnreadableImage, MemoryError):
        raise
    except Exception as error:  # rasterio and its drivers raise many kinds for a damaged file
        pass_on_refusal(error, path)
        # rasterio's own "Read failed" says less than the error of GDAL behind it.
        reason = error.__cause__ or error
        raise UnreadableImage(f"{path}: damaged {kind.name} ({reason})") from error


def _check_beside(path: Path) -> None:
    """Refuse an image whose side files GDAL could not open and close again."""
    for beside in side_file_places(path):
        if os.path.lexists(beside):
            check_file(beside)


def _check_size(path: Path, source: Any, held: int) -> None:
    """Refuse an image by the size that it claims, and by that of the blocks it is decoded in."""
    block = max(high * wide for high, wide in source.block_shapes)
    n_pixels = max(source.height * source.width, block)
    check_claim(path, n_pixels, source.count * n_pixels * _itemsize(source), held)


def _check_length(path: Path, source: Any) -> None:
    """Refuse a raw file that is shorter than its header says; GDAL does from half of it on."""
    said = source.tags(ns="ENVI")
    n_bytes = source.count * source.height * source.width * _itemsize(source)
    n_bytes += int(said.get("header_offset", 0))
    if "samples" in said and said.get("file_compression", "0") == "0":
        held = path.stat().st_size
        if held < n_bytes:
            raise ValueError(f"truncated: {held:,} of {n_bytes:,} bytes")


def _itemsize(source: Any) -> int:
    return max(np.dtype(dtype).itemsize for dtype in source.dtypes)


def _check_sources(path: Path, sources: Counter[Path], open_image: Callable[..., Any]) -> int:
    """Refuse a VRT whose images are of other kinds, too large or read too often.

    Returns:
        The bytes of its images.
    """
    n_bytes = held = 0
    for file, times in sources.items():
        try:
            with open_image(file, driver=_driver(file)) as source:
                held += file.stat().st_size
                _check_size(file, source, file.stat().st_size)
                n_bytes += times * source.height * source.width * _itemsize(source)
        except UnreadableImage as error:
            raise UnreadableImage(f"{path}: of its images {error}") from error
    check_claim(path, 0, n_bytes, n_bytes)
    return held


def _driver(source: Path) -> str:
    """Return the driver of an image of a VRT, by its content.

    Raises:
        UnreadableImage: it cannot be opened, or is of no kind that begins with a mark.
    """
    check_file(source)
    _check_beside(source)
    with source.open("rb") as file:
        kind = format_that_begins(file.read(LONGEST_BEGINNING))
    if kind is None or kind.name not in _SOURCE_DRIVERS:
        raise UnreadableImage(f"{source}: not an image that a VRT may name. Convert it to TIFF.")
    return _SOURCE_DRIVERS[kind.name]


def _raster(source: Any) -> Raster:
    from rasterio.enums import ColorInterp, MaskFlags

    if len(set(source.dtypes)) > 1:
        raise ValueError(f"bands of different types: {', '.join(source.dtypes)}")
    pixels: np.ndarray = source.read()
    valid = declared(pixels, source.nodatavals)
    flags = source.mask_flag_enums[0]
    if MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags:
        valid = both(valid, source.read_masks(1)[None] > 0)
    alphas = [p for p, kind in enumerate(source.colorinterp) if kind == ColorInterp.alpha]
    return Raster(
        pixels, f"{pixels.dtype}x{len(pixels)}", valid, alphas[0] if alphas else None,
        scaling_or_none(tuple(map(float, source.scales)), tuple(map(float, source.offsets))),
        _footprint(source),
    )  # fmt: skip


def _footprint(source: Any) -> Footprint | None:
    if source.crs is None:
        return None
    code = source.crs.to_epsg()
    left, bottom, right, top = source.bounds
    crs = f"EPSG:{code}" if code else source.crs.to_wkt()
    return footprint_around(crs, (left, right), (bottom, top))
