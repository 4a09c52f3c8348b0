#!/usr/bin/env bash
# ImageHash gives the same hash to all 16-bit images with values above 255: each is a copy of all.
#
# Expected: a hash compares the brightness of parts of an image with each other, so the same
#   picture has the same hash at 8 and 16 bits, and different pictures have different ones; or an
#   error.
# What happens: the image is first converted to 8 bits by Pillow's convert("L"), which in mode
#   I;16 does not change the range but cuts every value above 255 down to 255. Of values from 260
#   on nothing is left but white. All hashes of such images are equal, and their distance is 0.
# Versions: ImageHash 4.3.2, Pillow 13.0.0, numpy 2.4.6, scipy 1.17.1, PyWavelets 1.9.0,
#   Python 3.11.
# Output seen (50 different tiles of 260 to 4000 in 16 bits, and divided by 16 in 8 bits):
#   phash: 1 hashes of 50 tiles at 16 bits, 50 at 8 bits
#   dhash: 1 hashes of 50 tiles at 16 bits, 50 at 8 bits
#   average_hash: 1 hashes of 50 tiles at 16 bits, 50 at 8 bits
#   whash: 1 hashes of 50 tiles at 16 bits, 50 at 8 bits
# Whom it hurts: whoever looks for near-duplicates among single-band satellite tiles. Reflectance
#   of land is stored as some hundreds to thousands: a whole data set is one group of copies, of
#   which a cleaning step keeps one, and a split by groups puts all on one side.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  ImageHash==4.3.2 pillow==13.0.0 numpy==2.4.6 scipy==1.17.1 PyWavelets==1.9.0
"$folder/venv/bin/python" - <<'PY'
import imagehash
import numpy as np
from PIL import Image

draw = np.random.default_rng(0)


def tile():
    """Return a smooth (64, 64) scene of reflectance, 260 to 4000, as uint16."""
    coarse = Image.fromarray(draw.integers(300, 3000, (6, 6)).astype(np.float32))
    smooth = np.asarray(coarse.resize((64, 64), Image.Resampling.BICUBIC))
    return smooth.clip(260, 4000).astype(np.uint16)


tiles = [tile() for _ in range(50)]
deep = [Image.fromarray(pixels) for pixels in tiles]
flat = [Image.fromarray((pixels // 16).astype(np.uint8)) for pixels in tiles]
assert deep[0].mode == "I;16" and flat[0].mode == "L"
for name in ("phash", "dhash", "average_hash", "whash"):
    hashes = [{str(getattr(imagehash, name)(image)) for image in images} for images in (deep, flat)]
    count, flat_count = map(len, hashes)
    print(f"{name}: {count} hashes of 50 tiles at 16 bits, {flat_count} at 8 bits")
    assert count == 1 and flat_count == 50
first, second = map(imagehash.phash, deep[:2])
assert first - second == 0
PY
echo "as described"
