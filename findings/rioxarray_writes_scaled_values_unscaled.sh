#!/usr/bin/env bash
# rioxarray destroys a raster that it opens and saves unchanged, if the bands differ in scale.
#
# Expected: what open_rasterio(..., mask_and_scale=True) has read, rio.to_raster writes back:
#   offsets are taken off and values divided by the scales, since the new file has the integer
#   type, the scales and the offsets of the source. So it does where all bands have one scale and
#   offset.
# What happens: where they differ, each band is read right, by its own scale. On writing, scales
#   and offsets go into the file, but the values are not taken back: as they are, they are cut off
#   to integers. A reflectance of 0.35 is saved as 0 and read again as -0.2; 299 kelvin become
#   150. Writing says nothing. Reading warns that attributes are named otherwise (`scales` for
#   `scale_factor`), not that such values are written wrongly.
# Versions: rioxarray 0.19.0 (the newest for Python 3.11), xarray 2026.9.0, rasterio 1.4.4,
#   numpy 2.4.6, Python 3.11.
# Output seen:
#   one scale: stored [20000, 30000] as [0.35, 0.625], saved [20000, 30000] as [0.35, 0.625]
#   a scale each: stored [20000, 44000] as [0.35, 299.393], saved [0, 299] as [-0.2, 150.022]
# Whom it hurts: users of files with bands of several quantities, such as a stack of Landsat's
#   surface reflectance and surface temperature (whose scales are used here). Clipping such a file
#   and saving it leaves one that opens well, has the right metadata, and has lost the data.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  rioxarray==0.19.0 xarray==2026.9.0 rasterio==1.4.4 numpy==2.4.6
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
import warnings
from pathlib import Path

import numpy as np
import rasterio
import rioxarray

folder = Path(sys.argv[1])


def save_unchanged(name, stored, scales, offsets):
    """Write a raster, open and save it by rioxarray; return stored and scaled values of both."""
    source, copy = folder / f"{name}.tif", folder / f"{name}-saved.tif"
    pixels = np.array(stored, np.uint16)[:, None, None].repeat(4, 1).repeat(4, 2)
    transform = rasterio.transform.from_origin(500000, 5000000, 30, 30)
    with rasterio.open(
        source, "w", driver="GTiff", count=2, height=4, width=4, dtype="uint16", nodata=65535,
        crs="EPSG:32633", transform=transform,
    ) as file:
        file.write(pixels)
        file.scales, file.offsets = scales, offsets
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        opened = rioxarray.open_rasterio(source, mask_and_scale=True)
        read = len(said)
        opened.rio.to_raster(copy)
        assert len(said) == read, "to_raster warned"
        again = rioxarray.open_rasterio(copy, mask_and_scale=True)
    with rasterio.open(copy) as file:
        assert file.dtypes == ("uint16", "uint16") and file.scales == scales
        saved = file.read()[:, 0, 0].tolist()
    first, second = (
        [round(float(value), 3) for value in image.values[:, 0, 0]] for image in (opened, again)
    )
    print(f"{name}: stored {stored} as {first}, saved {saved} as {second}")
    return saved, first, second


reflectance, temperature = (2.75e-5, -0.2), (0.00341802, 149.0)
alike = save_unchanged("one scale", [20000, 30000], *zip(reflectance, reflectance))
assert alike == ([20000, 30000], [0.35, 0.625], [0.35, 0.625])
mixed = save_unchanged("a scale each", [20000, 44000], *zip(reflectance, temperature))
assert mixed == ([0, 299], [0.35, 299.393], [-0.2, 150.022])
PY
echo "as described"
