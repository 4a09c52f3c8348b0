"""All raster files of the matrix."""

from collections import Counter

from raster_files import (
    by_opencv,
    by_pillow,
    by_tifffile,
    gdal_colours,
    gdal_layouts,
    gdal_masks,
    gdal_no_data,
    geo_formats,
    pictures,
    png,
    side_files,
    tiff_by_hand,
    tifffile_axes,
    tifffile_no_data,
)
from raster_files.case import Case

_MODULES = (
    gdal_layouts, gdal_no_data, gdal_masks, gdal_colours, by_tifffile, tifffile_axes,
    tifffile_no_data, by_pillow, by_opencv, tiff_by_hand, png, pictures, geo_formats, side_files,
)  # fmt: skip


def every_case() -> list[Case]:
    """List all cases; their files are written when they are asked for."""
    cases = [case for module in _MODULES for case in module.cases()]
    twice = [name for name, n in Counter(case.name for case in cases).items() if n > 1]
    assert not twice, f"two cases of one name: {twice}"
    return cases
