#!/usr/bin/env bash
# OpenCV's IMREAD_UNCHANGED reads one grey band from TIFFs of 2 to 4 bands that are not called RGB.
#
# Expected: the bands and the depth of the file, since the flag is documented to return the image
#   as it is. So it does for 32-bit floats of 3 and 4 bands, and where the bands are called RGB.
# What happens: bands whose photometric interpretation is MINISBLACK come as one, silently:
#   uint16 of 3 or 4 bands: their brightness, 0.299 R + 0.587 G + 0.114 B of the first three
#   uint16 of 2 bands: the first band, divided by 256, in 8 bits
#   uint8 of 2 to 4 bands: the first band
# Versions: opencv-python-headless 5.0.0.93, tifffile 2026.3.3, numpy 2.4.6, Python 3.11.
# Output seen (the first pixel; bands are written as 1000, 2000, 3000, 4000 or 40, 80, 120, 160):
#   float32, 4 bands: (16, 24, 4) float32, [3000.0, 2000.0, 1000.0, 4000.0]
#   uint16, 4 bands: (16, 24) uint16, 1815
#   uint16, 3 bands: (16, 24) uint16, 1815
#   uint16, 2 bands: (16, 24) uint8, 3
#   uint8, 4 bands: (16, 24) uint8, 40
#   uint8, 3 bands: (16, 24) uint8, 40
#   uint8, 2 bands: (16, 24) uint8, 40
#   uint16, 4 bands called RGB and one more: (16, 24, 4) uint16, [3000, 2000, 1000, 4000]
# Whom it hurts: users of 16-bit rasters that GDAL wrote, which calls 3 and 4 bands MINISBLACK
#   unless told otherwise. Red, green, blue and near infrared of a satellite become a grey picture
#   without infrared; the two bands VV and VH of a radar become 8 bits of one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  opencv-python-headless==5.0.0.93 tifffile==2026.3.3 numpy==2.4.6
"$folder/venv/bin/python" - "$folder/bands.tif" <<'PY'
import sys

import cv2
import numpy as np
import tifffile


def read(dtype, bands, photometric="minisblack"):
    """Write interleaved flat bands; return the depth, shape and first pixel that OpenCV reads."""
    step = 40 if dtype == "uint8" else 1000
    pixel = step * np.arange(1, bands + 1)
    pixels = np.broadcast_to(pixel, (16, 24, bands)).astype(dtype)
    tifffile.imwrite(sys.argv[1], pixels, photometric=photometric, planarconfig="contig")
    assert np.array_equal(tifffile.imread(sys.argv[1]), pixels)
    found = cv2.imread(sys.argv[1], cv2.IMREAD_UNCHANGED)
    colour = " called RGB and one more" if photometric == "rgb" else ""
    print(f"{dtype}, {bands} bands{colour}: {found.shape} {found.dtype}, {found[0, 0].tolist()}")
    return found.dtype.name, found.shape, found[0, 0].tolist()


grey, four = (16, 24), (16, 24, 4)
assert read("float32", 4) == ("float32", four, [3000, 2000, 1000, 4000])
assert read("uint16", 4) == ("uint16", grey, 1815)
assert read("uint16", 3) == ("uint16", grey, 1815)
assert read("uint16", 2) == ("uint8", grey, 3)
for bands in (4, 3, 2):
    assert read("uint8", bands) == ("uint8", grey, 40)
assert read("uint16", 4, "rgb") == ("uint16", four, [3000, 2000, 1000, 4000])
PY
echo "as described"
