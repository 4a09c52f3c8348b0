"""Images without labels: which are listed, and which are kept out."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from augment.catalogue.config import ScanConfig
from augment.catalogue.unlabelled import open_unlabelled, scan_unlabelled
from augment.scenes import draw_scene
from terrabalance.bands import RGB
from terrabalance.errors import BadInput
from terrabalance.files import sha256_of
from terrabalance.images import write_png
from terrabalance.manifest import Manifest, frame_of

PARTS = {"test": 0, "val": 1, "oracle": 2, "train": 3, "unused": 4}


@pytest.fixture
def catalogue(tmp_path) -> Manifest:
    """An image of each part."""
    rows = []
    for part, index in PARTS.items():
        path = tmp_path / "data" / f"{part}.png"
        write_png(path, draw_scene("Residential", index, 48))
        rows.append({"path": path.name, "class": "Town", "split": part, "source": "real",
                     "status": "ok", "sha256": sha256_of(path)})  # fmt: skip
    return Manifest(tmp_path / "data", frame_of(rows))


@pytest.fixture
def tiles(tmp_path) -> Path:
    for index in range(3):
        write_png(tmp_path / "tiles" / "a" / "b" / f"{index}.png", draw_scene("Beach", index, 48))
    (tmp_path / "tiles" / "README.txt").write_text("where they are from")
    return tmp_path / "tiles"


def statuses(found: Manifest) -> dict[str, str]:
    frame = found.frame
    pairs = zip(frame["status"], frame["detail"], strict=True)
    told = (f"{status} {detail}".strip() for status, detail in pairs)
    return dict(zip(frame["path"], told, strict=True))


def test_near_copies_of_what_is_held_out_are_kept_out_turned_ones_too(tiles, catalogue, tmp_path):
    for part in PARTS:
        with Image.open(catalogue.root / f"{part}.png") as image:
            turned = image.transpose(Image.Transpose.ROTATE_90).resize((40, 40))
            turned.convert("RGB").save(tiles / f"{part}.jpg", quality=85)
    source = open_unlabelled(tiles, tmp_path / "unpacked")
    found, sketches = scan_unlabelled(source, ScanConfig(), RGB, catalogue)
    assert statuses(found) == {
        "a/b/0.png": "ok", "a/b/1.png": "ok", "a/b/2.png": "ok",
        "oracle.jpg": "leaks into oracle oracle.png", "test.jpg": "leaks into test test.png",
        "train.jpg": "ok", "unused.jpg": "ok", "val.jpg": "leaks into val val.png",
    }  # fmt: skip
    phashes = [f"{int(each):016x}" for each in sketches.hashes[:, 0]]
    assert phashes == list(found.usable()["phash"])


def test_what_is_nearly_a_near_copy_is_kept_out_too(tiles, catalogue, tmp_path):
    for side in (48, 47, 46):
        with Image.open(catalogue.root / "test.png") as image:
            image.resize((side, side)).convert("L").save(tiles / f"{side}.png")
    source = open_unlabelled(tiles, tmp_path)
    found = scan_unlabelled(source, ScanConfig(), RGB, catalogue)[0]
    assert [status for path, status in statuses(found).items() if path[0] == "4"] == [
        "leaks into test test.png"
    ] * 3


def test_images_of_other_bands_than_the_run_are_left_out(tiles, tmp_path):
    deep = np.random.default_rng(0).integers(0, 9000, (4, 32, 32)).astype(np.uint16)
    tifffile.imwrite(tiles / "deep.tif", deep, photometric="minisblack", planarconfig="separate")
    Image.new("L", (32, 32), 9).save(tiles / "grey.png")
    config = ScanConfig(odd_share=0)  # or a few odd ones are left out by the scan itself
    found = scan_unlabelled(open_unlabelled(tiles, tmp_path), config, RGB)[0]
    left = statuses(found)
    assert left.pop("deep.tif").startswith("other bands 4 bands")
    assert set(left.values()) == {"ok"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [("none", "no such file"), ("list.csv", "are a folder, a zip"), ("empty", "holds no images")],
)
def test_what_holds_no_images_is_refused(tmp_path, name, reason):
    (tmp_path / "list.csv").write_text("path,class")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=reason):
        open_unlabelled(tmp_path / name, tmp_path)
