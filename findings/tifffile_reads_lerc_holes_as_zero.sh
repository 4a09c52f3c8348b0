#!/usr/bin/env bash
# tifffile reads the invalid pixels of LERC-compressed GeoTIFFs as 0, a value like any other.
#
# Expected: NaN where NaN was written, as with deflate, and as GDAL reads the file.
# What happens: LERC stores NaN in a mask beside the values. imagecodecs, which decodes for
#   tifffile, returns that mask when asked (masks=True); tifffile does not ask. The samples below
#   the mask are 0.0, and nothing says that they are not data.
# Versions: tifffile 2026.3.3, imagecodecs 2026.3.6, rasterio 1.4.4 (GDAL 3.10.3), numpy 2.4.6,
#   Python 3.11.
# Output seen:
#   deflate: written [nan, nan, -12.5, -13.0], read by tifffile [nan, nan, -12.5, -13.0]
#   lerc: written [nan, nan, -12.5, -13.0], read by tifffile [0.0, 0.0, -12.5, -13.0]
#   the mask is in the file: 32 of 256 samples are invalid
# Whom it hurts: readers of elevation models and radar backscatter, for which 0 is a fair value
#   (sea level, a strong reflector). A check for NaN passes, and means and ranges are wrong.
#   scikit-image reads TIFFs through tifffile and does the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  tifffile==2026.3.3 imagecodecs==2026.3.6 rasterio==1.4.4 numpy==2.4.6
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
import warnings

import imagecodecs
import numpy as np
import rasterio
import tifffile

warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
written = np.tile(-11.5 - np.arange(16, dtype=np.float32) / 2, (16, 1))
written[:, :2] = np.nan
found = {}
for compression in ("deflate", "lerc"):
    path = f"{sys.argv[1]}/{compression}.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=16, width=16, dtype="float32",
        compress=compression,
    ) as file:
        file.write(written, 1)
    with rasterio.open(path) as file:
        assert np.array_equal(file.read(1), written, equal_nan=True), "GDAL reads NaN"
    found[compression] = tifffile.imread(path)
    rows = [array[0, :4].tolist() for array in (written, found[compression])]
    print(f"{compression}: written {rows[0]}, read by tifffile {rows[1]}")
assert np.array_equal(found["deflate"], written, equal_nan=True)
invalid = np.isnan(written)
assert (found["lerc"][invalid] == 0).all()
assert np.array_equal(found["lerc"][~invalid], written[~invalid])

with tifffile.TiffFile(path) as file:
    page = file.pages[0]
    data, _ = next(file.filehandle.read_segments(page.dataoffsets, page.databytecounts))[:2]
_, mask = imagecodecs.lerc_decode(data, masks=True)
assert np.array_equal(mask.reshape(written.shape).astype(bool), ~invalid)
print(f"the mask is in the file: {(mask == 0).sum()} of {mask.size} samples are invalid")
PY
echo "as described"
