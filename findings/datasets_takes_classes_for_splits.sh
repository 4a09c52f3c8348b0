#!/usr/bin/env bash
# Hugging Face's imagefolder takes a class called train_station for a part of the data called train.
#
# Expected: folders train, val and test with a folder for each class below, the documented layout,
#   give three splits without common images. Folders for classes alone give one split, with all
#   images and their labels. The documentation lets file names contain the name of a split, and
#   folders be named as one; of the names of classes it says nothing.
# What happens: any folder on the way to an image, whose name has train, test, val, dev or eval as a
#   word, names its split.
#   With splits: the images of val/train_station and test/train_station are in `train` as well as in
#   their own split, and those of train/train_station are in it twice. Nothing is said, and a
#   classifier is trained on what it is tested on.
#   Without: only the images of train_station are loaded, and they have no label. Nothing is said.
# Versions: datasets 5.2.0, Pillow 13.0.0, numpy 2.4.6, Python 3.11.
# Output seen:
#   written: {'train': 18, 'val': 6, 'test': 6}, loaded: {'train': 28, 'validation': 6, 'test': 6}
#   6 images are twice in train
#   2 of the 6 images in validation are in train
#   2 of the 6 images in test are in train
#   only classes: 3 of 9 images are loaded, with the columns ['image']
# Whom it hurts: users of scene data sets, whose classes are places: train_station, test_track,
#   eval_site. The number of rows is the only sign, and accuracies of that class are too good.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  datasets==5.2.0 pillow==13.0.0 numpy==2.4.6
HF_HOME="$folder/cache" HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - "$folder" <<'PY'
import sys
from collections import Counter
from pathlib import Path

import datasets
import numpy as np
from PIL import Image

datasets.disable_progress_bars()
folder = Path(sys.argv[1])
draw = np.random.default_rng(0)


def write(root, count):
    """Write pictures, all different, of three classes below a folder."""
    for name in ("airport", "beach", "train_station"):
        (root / name).mkdir(parents=True)
        for i in range(count):
            pixels = draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")


def pictures(split):
    """Return how often each picture is in a split."""
    return Counter(np.asarray(image).tobytes() for image in split["image"])


def load(root):
    return datasets.load_dataset("imagefolder", data_dir=str(root))


written = {"train": 6, "val": 2, "test": 2}
for part, count in written.items():
    write(folder / "parts" / part, count)
splits = load(folder / "parts")
total = {part: 3 * count for part, count in written.items()}
rows = {name: len(split) for name, split in splits.items()}
print(f"written: {total}, loaded: {rows}")
assert rows == {"train": 28, "validation": 6, "test": 6}
twice = [image for image, count in pictures(splits["train"]).items() if count == 2]
print(f"{len(twice)} images are twice in train")
assert len(twice) == 6
for name in ("validation", "test"):
    common = pictures(splits["train"]).keys() & pictures(splits[name]).keys()
    print(f"{len(common)} of the {rows[name]} images in {name} are in train")
    assert len(common) == 2

write(folder / "classes", 3)
splits = load(folder / "classes")
assert list(splits) == ["train"]
loaded = splits["train"]
print(f"only classes: {len(loaded)} of 9 images are loaded, with the columns {loaded.column_names}")
assert len(loaded) == 3 and loaded.column_names == ["image"]
PY
echo "as described"
