#!/usr/bin/env bash
# GDAL gives back other numbers than it wrote into a big-endian GeoTIFF of floats in LERC.
#
# Expected: MAX_Z_ERROR=0 is lossless, and ENDIANNESS=BIG says how numbers lie in the file, not what
#   they are. GDAL's page of the format names no limit of the two together. Whole numbers come back
#   as they were written, and so do floats with ENDIANNESS=LITTLE, or in big-endian deflate.
# What happens: numbers are exchanged byte by byte before LERC compresses them. LERC then sees other
#   floats, some of them tiny or no numbers at all, and does not keep all their bits. Four in a
#   thousand values come back as others, such as 6.9e-41 for 269.06.
# Versions: rasterio 1.4.4 (its wheel has GDAL 3.10.3), numpy 2.4.6, Python 3.11.
# Output seen:
#   float32, LERC, BIG: 265 of 65536 differ
#     such as [269.06247 518.76556 216.76756], read as [6.9055e-41 6.9055e-41 6.9055e-41]
#   float32, LERC, LITTLE: 0 of 65536 differ
#   float32, DEFLATE, BIG: 0 of 65536 differ
#   int16, LERC, BIG: 0 of 65536 differ
# Whom it hurts: users of elevation, radar and reflectance as floats that were compressed on, or
#   for, a big-endian machine. The file opens, its statistics are off by a few wild values, and what
#   was measured cannot be had back.
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
heights = draw.normal(400, 120, (256, 256))


def changed(dtype, compress, **options):
    """Write heights and read them again; return how many are others."""
    values = heights.astype(dtype)
    if compress == "LERC":
        options["MAX_Z_ERROR"] = 0
    with rasterio.open(
        sys.argv[1], "w", driver="GTiff", height=256, width=256, count=1, dtype=dtype,
        compress=compress, **options,
    ) as file:
        file.write(values, 1)
    with rasterio.open(sys.argv[1]) as file:
        read = file.read(1)
    differ = read != values
    print(f"{dtype}, {compress}, {options['ENDIANNESS']}: {differ.sum()} of {values.size} differ")
    if differ.any():
        print(f"  such as {values[differ][:3]}, read as {read[differ][:3]}")
    return int(differ.sum())


assert changed("float32", "LERC", ENDIANNESS="BIG") > 0
assert changed("float32", "LERC", ENDIANNESS="LITTLE") == 0
assert changed("float32", "DEFLATE", ENDIANNESS="BIG") == 0
assert changed("int16", "LERC", ENDIANNESS="BIG") == 0
PY
echo "as described"
