#!/usr/bin/env bash
# GDAL's lossy LERC compression changes which pixels of a GeoTIFF have no data.
#
# Expected: pixels that hold the declared no-data value have no data when the file is read again,
#   and all others have some. The documentation of MAX_Z_ERROR, the largest error, does not speak
#   of no-data. GDAL's other way to drop precision, DISCARD_LSB, keeps the no-data value; and LERC
#   has a mask for invalid samples, which GDAL uses for NaN.
# What happens: the no-data value is compressed as if it were a measurement. A no-data value above
#   all others (255, 65535) may come back some units lower, as valid data, where a block of the
#   compression holds both. A no-data value of 0 works the other way round: small valid values
#   become 0, and are lost.
# Versions: rasterio 1.4.4 (its wheel has GDAL 3.10.3), numpy 2.4.6, Python 3.11.
# Output seen (22696 pixels are written as no data, 42840 as data):
#   LERC, uint16, no-data 65535: 597 holes read as data [65534], 0 data as holes
#   LERC, uint8, no-data 0: 0 holes read as data [], 429 data as holes
#   DISCARD_LSB, uint16, no-data 65535: 0 holes read as data [], 0 data as holes
#   LERC, float32, no-data nan: 0 holes read as data [], 0 data as holes
# Whom it hurts: users of rasters that were made smaller by lossy LERC. Holes get very bright
#   pixels at their borders that no mask covers, and which set the range of a band; water and
#   shadow with values near 0 get holes that the sensor did not have.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6
"$folder/venv/bin/python" - "$folder/raster.tif" <<'PY'
import sys
import warnings

import numpy as np
import rasterio

warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
draw = np.random.default_rng(0)
hole = draw.random((256, 256)) < 0.05
hole[:, :80] = True


def masks(what, dtype, nodata, low, high, **options):
    """Write values from low to high with holes; return how many pixels change sides."""
    pixels = draw.integers(low, high, hole.shape).astype(dtype)
    pixels[hole] = nodata
    with rasterio.open(
        sys.argv[1], "w", driver="GTiff", count=1, height=256, width=256, dtype=dtype,
        nodata=nodata, **options,
    ) as file:
        file.write(pixels, 1)
    with rasterio.open(sys.argv[1]) as file:
        assert file.nodata == nodata or np.isnan(nodata)
        read, masked = file.read(1), file.read_masks(1) == 0
    lost, gained = hole & ~masked, masked & ~hole
    print(
        f"{what}, {dtype}, no-data {nodata}: {lost.sum()} holes read as data "
        f"{np.unique(read[lost]).tolist()}, {gained.sum()} data as holes"
    )
    return int(lost.sum()), int(gained.sum())


lossy = {"compress": "lerc", "max_z_error": 2}
lost, gained = masks("LERC", "uint16", 65535, 200, 3000, **lossy)
assert lost > 300 and gained == 0
lost, gained = masks("LERC", "uint8", 0, 1, 100, **lossy)
assert lost == 0 and gained > 200
bits = {"compress": "deflate", "discard_lsb": 2}
assert masks("DISCARD_LSB", "uint16", 65535, 200, 3000, **bits) == (0, 0)
assert masks("LERC", "float32", float("nan"), 200, 3000, **lossy) == (0, 0)
PY
echo "as described"
