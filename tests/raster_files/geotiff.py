"""GeoTIFF by GDAL, through rasterio: the one function that writes them, and a case of one."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from raster_files.case import Case

RASTERIO = ("rasterio",)
TILES: dict[str, Any] = {"tiled": True, "blockxsize": 16, "blockysize": 16}
STRIPS: dict[str, Any] = {"blockysize": 7}  # three strips, the last one shorter
TILINGS = {"strips": STRIPS, "tiles": TILES}


def alpha_by_default(stored: np.ndarray) -> int | None:
    """Place of the band that GDAL calls alpha unless told otherwise: the fourth of four bytes."""
    return 3 if stored.dtype == np.uint8 and len(stored) == 4 else None


def case(name: str, stored: np.ndarray, options: dict[str, Any], **expected: Any) -> Case:
    """A case `gdal-<name>.tif` that is read as it was stored, but for what is `expected`."""
    write_it = partial(write, stored=stored, **options)
    return Case(f"gdal-{name}.tif", write_it, needs=RASTERIO, **{"values": stored, **expected})


def write(
    path: Path,
    *,
    stored: np.ndarray,
    mask: np.ndarray | None = None,
    mask_inside: bool = True,
    colours: np.ndarray | None = None,
    meanings: str = "",
    overviews: bool = False,
    driver: str = "GTiff",
    **options: Any,
) -> None:
    """Write (C, H, W) through GDAL, with a place on earth.

    Args:
        path: the file.
        stored: the values.
        mask: (1, H, W) bool of valid pixels.
        mask_inside: keep the mask in the file; else GDAL writes it beside, as `.msk`.
        colours: (n, 3) palette of the only band.
        meanings: of the bands, such as `red green blue alpha undefined`.
        overviews: add one of half the size, inside the file.
        driver: GDAL's name of the format.
        options: GDAL's creation options, rasterio's `nodata`, another type than that of `stored`.
    """
    import rasterio

    count, height, width = stored.shape
    place = rasterio.transform.from_origin(500_000, 5_000_000, 10, 10)
    shape = {"count": count, "height": height, "width": width, "dtype": stored.dtype}
    options = {**shape, "crs": "EPSG:32633", "transform": place, **options}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=mask_inside):
        with rasterio.open(path, "w", driver=driver, **options) as file:
            if meanings:
                file.colorinterp = [rasterio.enums.ColorInterp[name] for name in meanings.split()]
            if colours is not None:
                file.write_colormap(1, {i: (*map(int, c), 255) for i, c in enumerate(colours)})
            file.write(stored)
        if mask is not None or overviews:
            with rasterio.open(path, "r+") as file:
                if mask is not None:
                    file.write_mask(mask[0])
                if overviews:
                    file.build_overviews([2], rasterio.enums.Resampling.nearest)
