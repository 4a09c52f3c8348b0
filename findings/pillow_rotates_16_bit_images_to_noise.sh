#!/usr/bin/env bash
# Pillow's rotate and transform turn 16-bit images into noise by all filters but the nearest pixel.
#
# Expected: rotate(30, BILINEAR) of a smooth 16-bit image (mode I;16) is the rotated image, as it
#   is in the modes L, I and F, and as resize does it in I;16; or an error, as filters and blends
#   give for modes that they cannot handle. Support of I;16 is documented as limited, but rotate
#   names only the modes 1 and P for which its filters do not count.
# What happens: the result has mode I;16 and the right size, and its values are unrelated to the
#   image: all below 256, and jumping from pixel to pixel. BICUBIC does the same, and so do the
#   affine, extent, perspective and quad transforms. NEAREST, the default, is right.
# Versions: Pillow 13.0.0, numpy 2.4.6, Python 3.11.
# Output seen (a part of a row of the ramp turned by 30 degrees, and the largest value of all):
#   turned in mode I;16: [127, 19, 173, 38, 139, 96], at most 245
#   turned in mode I: [1584, 1597, 1611, 1625, 1638, 1652], at most 2125
#   turned in mode F: [1584, 1598, 1611, 1625, 1639, 1652], at most 2125
# Whom it hurts: users of augmentations that work on Pillow images, such as torchvision's
#   RandomRotation and RandomAffine with bilinear interpolation, on single bands of 16 bits (radar
#   amplitude, elevation, a Sentinel-2 band). Part of each batch is noise; training goes on.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from PIL import Image

BILINEAR, BICUBIC = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC
ramp = 1000 + 10 * np.add.outer(np.arange(64), np.arange(64))
images = {
    mode: Image.fromarray(ramp.astype(dtype))
    for mode, dtype in (("I;16", np.uint16), ("I", np.int32), ("F", np.float32))
}
assert all(image.mode == mode for mode, image in images.items())


def apply(change):
    """Return what a change makes of the ramp in each mode, as float64."""
    return {mode: np.asarray(change(image)).astype(float) for mode, image in images.items()}


turned = apply(lambda image: image.rotate(30, BILINEAR))
for mode, pixels in turned.items():
    row = pixels[32, 28:34].round().astype(int).tolist()
    print(f"turned in mode {mode}: {row}, at most {pixels.max():.0f}")
halved = apply(lambda image: image.resize((32, 32), BILINEAR))
assert abs(halved["I;16"] - halved["F"]).max() <= 1
default = apply(lambda image: image.rotate(30))
assert np.array_equal(default["I;16"], default["F"])

affine = (Image.Transform.AFFINE, (1, 0, 0.5, 0, 1, 0))
extent = (Image.Transform.EXTENT, (0, 0, 64, 64))
for change in (
    lambda image: image.rotate(30, BILINEAR),
    lambda image: image.rotate(30, BICUBIC),
    lambda image: image.transform((64, 64), *affine, BILINEAR),
    lambda image: image.transform((32, 32), *extent, BILINEAR),
):
    result = apply(change)
    assert abs(result["I"] - result["F"]).max() <= 1
    assert result["F"].max() > 2000 and result["I;16"].max() < 256
PY
echo "as described"
