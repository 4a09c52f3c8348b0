#!/usr/bin/env bash
# Pillow and OpenCV scramble 16-bit colour TIFFs whose bands are stored one after the other.
#
# Expected: the picture, as both read it from 8-bit files of this layout (PlanarConfiguration 2),
#   and as OpenCV reads it from 16-bit files with interleaved bands; from Pillow the upper bytes,
#   to which it reduces interleaved 16-bit colour; or an error.
# What happens: both take the planes for something else, and say nothing.
#   Pillow takes the two bytes of a 16-bit sample for two pixels of 8 bits: each row of the picture
#   becomes two rows, in which lower and upper bytes alternate, and the lower half is not read.
#   OpenCV takes three neighbouring samples of the first plane for red, green and blue of one pixel;
#   the other two planes are not read.
# Versions: Pillow 13.0.0, opencv-python-headless 5.0.0.93, tifffile 2026.3.3, numpy 2.4.6,
#   Python 3.11. OpenCV merged a repair in July 2026, which this release does not have.
# Output seen (red, green and blue of the first two pixels):
#   written uint16 [200 400 600] [201 401 601]
#   OpenCV  uint16 [200 201 202] [203 204 205]
#   Pillow  uint8 [200 144  88] [0 1 2]
# Whom it hurts: users of band-interleaved products (INTERLEAVE=BAND with GDAL, often chosen for
#   many bands), and of what is cut from them. Reflectance in three bands becomes one band in grey
#   by OpenCV, and stripes of a pixel's width by Pillow, which resizing smooths away.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  pillow==13.0.0 opencv-python-headless==5.0.0.93 tifffile==2026.3.3 numpy==2.4.6
"$folder/venv/bin/python" - "$folder/colour.tif" <<'PY'
import sys

import cv2
import numpy as np
import tifffile
from PIL import Image


def read(pixels, layout):
    """Write a (height, width, 3) picture; return what three libraries read, red first."""
    stored = pixels.transpose(2, 0, 1) if layout == "separate" else pixels
    tifffile.imwrite(sys.argv[1], stored, photometric="rgb", planarconfig=layout)
    known = tifffile.imread(sys.argv[1])
    known = known.transpose(1, 2, 0) if layout == "separate" else known
    assert np.array_equal(known, pixels)
    by_opencv = cv2.imread(sys.argv[1], cv2.IMREAD_UNCHANGED)[..., ::-1]
    return np.asarray(Image.open(sys.argv[1])), by_opencv


columns = np.arange(24)
colour = np.stack([200 + columns, 400 + columns, 600 + columns], -1)[None].repeat(16, 0)
byte = (colour // 4).astype(np.uint8)
assert all(np.array_equal(found, byte) for found in read(byte, "separate"))
colour = colour.astype(np.uint16)
by_pillow, by_opencv = read(colour, "contig")
assert np.array_equal(by_opencv, colour) and np.array_equal(by_pillow, colour >> 8)

by_pillow, by_opencv = read(colour, "separate")
for name, found in (("written", colour), ("OpenCV", by_opencv), ("Pillow", by_pillow)):
    print(f"{name:7} {found.dtype} {found[0, 0]} {found[0, 1]}")
assert by_pillow.shape == by_opencv.shape == colour.shape
first_plane = colour[..., 0].reshape(-1)
assert np.array_equal(by_opencv.reshape(-1)[: first_plane.size], first_plane)
for band in range(3):
    stored = colour[..., band].astype("<u2").tobytes()[: colour[..., band].size]
    assert by_pillow[..., band].tobytes() == stored
PY
echo "as described"
