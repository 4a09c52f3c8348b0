#!/usr/bin/env bash
# Pillow's paste and composite through a soft mask mix the bytes of numbers, not the numbers.
#
# Expected: where the mask is neither 0 nor 255, the two images are mixed, as the documentation of
#   paste says without naming modes; half of 1.0 and half of 2.0 is 1.5. It is so for 8-bit
#   images. Image.blend, which cannot do it for floats either, raises an error.
# What happens: in the modes I;16, I and F each byte of a sample is mixed by itself. The result
#   need not lie between the two values: 1.0 and 2.0 give 3.0, -1.0 and 1.0 give infinity, 255 and
#   256 give 383. Some pairs come out right by chance (1000 and 3000 give 2000), which hides it.
#   In I;16 each byte takes the mask's value of another pixel as well, so that the right half of
#   the patch is not pasted at all.
# Versions: Pillow 13.0.0, numpy 2.4.6, Python 3.11.
# Output seen:
#   L: 50 and 150 give 100, 100, 100, 100
#   I: 1000 and 3000 give 2000, 2000, 2000, 2000
#   I: 300 and 700 give 628, 628, 628, 628
#   I;16: 255 and 256 give 383, 383, 255, 255
#   F: 1.0 and 2.0 give 3.0, 3.0, 3.0, 3.0
#   F: 100.0 and 300.0 give 350.0, 350.0, 350.0, 350.0
#   F: -1.0 and 1.0 give inf, inf, inf, inf
#   Image.blend in mode F: image has wrong mode
# Whom it hurts: whoever pastes a patch with a feathered border into a 16-bit or float raster, as
#   inpainting, copy-paste augmentation and mosaics do. The seam gets values that are in neither
#   image, infinite ones among them, and only there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from PIL import Image

half = Image.new("L", (4, 4), 128)


def mix(dtype, below, above):
    """Paste one flat image on another through a mask of one half; return a row of the result."""
    base, patch = (Image.fromarray(np.full((4, 4), value, dtype)) for value in (below, above))
    composite = np.asarray(Image.composite(patch, base, half))
    base.paste(patch, (0, 0), half)
    rows = np.asarray(base)
    assert np.array_equal(rows, composite) and (rows == rows[0]).all()
    print(f"{base.mode}: {below} and {above} give", ", ".join(map(str, rows[0])))
    return rows[0].tolist()


assert mix(np.uint8, 50, 150) == [100] * 4
assert mix(np.int32, 1000, 3000) == [2000] * 4
assert mix(np.int32, 300, 700) == [628] * 4
assert mix(np.uint16, 255, 256) == [383, 383, 255, 255]
assert mix(np.float32, 1.0, 2.0) == [3.0] * 4
assert mix(np.float32, 100.0, 300.0) == [350.0] * 4
assert mix(np.float32, -1.0, 1.0) == [np.inf] * 4
try:
    Image.blend(*(Image.new("F", (4, 4), value) for value in (1.0, 2.0)), 0.5)
except ValueError as error:
    print("Image.blend in mode F:", error)
else:
    raise AssertionError("Image.blend mixes floats")
PY
echo "as described"
