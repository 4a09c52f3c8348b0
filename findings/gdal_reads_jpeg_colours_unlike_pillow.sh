#!/usr/bin/env bash
# GDAL reads other colours from a JPEG than Pillow and OpenCV do, where colours are stored at half size.
#
# Expected: the same JPEG gives the same bytes in rasterio, Pillow and OpenCV, or bytes that differ by
#   a level or two, as the standard leaves rounding open.
# What happens: Pillow and OpenCV agree. rasterio's values differ from theirs by tens of levels beside
#   sharp edges of colour. Without halving (4:4:4) all three agree, so it is how the halved colours are
#   brought back to full size.
# Versions: rasterio 1.4.4 (GDAL 3.10.3), Pillow 13.0.0, opencv-python-headless 5.0.0.93,
#   numpy 2.3.5, Python 3.11.
# Output seen:
#   4:2:0: OpenCV to Pillow at most 0, rasterio to Pillow at most 67, more than 10 in 49% of the pixels
#   4:4:4: OpenCV to Pillow at most 0, rasterio to Pillow at most 0, more than 10 in 0% of the pixels
# Whom it hurts: whoever trains a classifier through Pillow (torchvision, timm) and maps with it through
#   GDAL (rasterio, TorchGeo), or mixes both in one data set: roofs, roads and field borders have
#   other colours at their edges, which a network can learn to tell the two by.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  rasterio==1.4.4 pillow==13.0.0 opencv-python-headless==5.0.0.93 numpy==2.3.5
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import warnings

import cv2
import numpy as np
import rasterio
from PIL import Image

warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
# Red roofs of 5 px on green, two pixels apart.
pixels = np.full((64, 64, 3), (60, 130, 60), np.uint8)
for top in range(1, 60, 7):
    for left in range(1, 60, 7):
        pixels[top : top + 5, left : left + 5] = (200, 70, 50)

worst = {}
for name, halving in (("4:2:0", 2), ("4:4:4", 0)):
    Image.fromarray(pixels).save("roofs.jpg", quality=95, subsampling=halving)
    pillow = np.asarray(Image.open("roofs.jpg")).astype(int)
    opencv = cv2.imread("roofs.jpg")[..., ::-1].astype(int)
    with rasterio.open("roofs.jpg") as file:
        gdal = file.read().transpose(1, 2, 0).astype(int)
    apart = np.abs(gdal - pillow)
    worst[name] = apart.max()
    print(
        f"{name}: OpenCV to Pillow at most {np.abs(opencv - pillow).max()}, rasterio to Pillow at "
        f"most {apart.max()}, more than 10 in {(apart.max(2) > 10).mean():.0%} of the pixels"
    )
    assert np.abs(opencv - pillow).max() <= 2, "OpenCV and Pillow no longer agree"
assert worst["4:4:4"] <= 2, "without halving they no longer agree"
assert worst["4:2:0"] > 20, "rasterio now reads the colours that Pillow reads"
PY
