#!/usr/bin/env bash
# Pillow multiplies the values of JPEG 2000 images whose depth is not 8 or 16 bit, without a word.
#
# Expected: a lossless JPEG 2000 image of one band and 12 or 15 bits a sample is read as the values
#   that were written, as imagecodecs (OpenJPEG) does.
# What happens: Pillow shifts the samples up to the full range of 16 bits: 12-bit values are times 16,
#   15-bit values times 2. The image has mode I;16, and nothing says what the depth was. Three bands
#   of 16 bits are reduced to 8 bits (mode RGB), which also passes in silence.
# Versions: Pillow 13.0.0, imagecodecs 2026.3.6, numpy 2.3.5, Python 3.11.
# Output seen:
#   12 bit: written [0, 1, 2047, 4093], read [0, 16, 32752, 65488] as I;16
#   15 bit: written [0, 1, 10000, 32767], read [0, 2, 20000, 65534] as I;16
#   3 x 16 bit: written [0, 16, 32752, 65488], read [0, 0, 128, 0] as RGB uint8 (in one band)
# Whom it hurts: readers of satellite products in JPEG 2000, such as Sentinel-2's bands, which are
#   declared with fewer than 16 bits. At 15 bits a reflectance of 10000 is read as 20000, and bands of
#   different depth get different factors. A classifier or generator that is trained on such files
#   and used on GeoTIFFs of the same product sees other values.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  pillow==13.0.0 imagecodecs==2026.3.6 numpy==2.3.5
"$folder/venv/bin/python" - <<'PY'
import io

import imagecodecs
import numpy as np
from PIL import Image


def read(values, bits, bands=1):
    """Write a lossless image of four rows; return how Pillow and imagecodecs read the first one."""
    pixels = np.array([values], np.uint16).repeat(4, 0)
    if bands > 1:
        pixels = np.stack([pixels] * bands, axis=-1)
    data = imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True, bitspersample=bits)
    assert np.array_equal(imagecodecs.jpeg2k_decode(data), pixels), "not lossless"
    image = Image.open(io.BytesIO(data))
    row = np.asarray(image)[0]
    return image.mode, row.dtype, (row if bands == 1 else row[:, 0]).tolist()


twelve = read([0, 1, 2047, 4093], 12)
fifteen = read([0, 1, 10000, 32767], 15)
colour = read([0, 16, 32752, 65488], 16, bands=3)
print("12 bit:", twelve)
print("15 bit:", fifteen)
print("3 x 16 bit:", colour)
assert twelve == ("I;16", np.dtype("uint16"), [0, 16, 32752, 65488])
assert fifteen == ("I;16", np.dtype("uint16"), [0, 2, 20000, 65534])
assert colour[:2] == ("RGB", np.dtype("uint8"))
PY
echo "as described"
