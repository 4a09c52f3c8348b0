from pathlib import Path

import numpy as np
import pytest
import tifffile

from augment.catalogue.config import ScanConfig
from augment.catalogue.hashes import sketch_of
from augment.catalogue.look import look_at
from augment.catalogue.scan import scan
from augment.catalogue.sources import open_source

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def written(path: Path, seed: int, unit: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).uniform(-1, 1, (2, 48, 48)).astype(np.float32)
    tifffile.imwrite(
        path, values * np.float32(unit), photometric="minisblack", planarconfig="separate"
    )
    return path


def test_random_images_near_the_largest_float_are_not_one_picture(tmp_path):
    for index in range(18):
        folder = tmp_path / "data" / ("Park" if index % 2 else "Pond")
        written(folder / f"{index}.tif", index, 2.0**127)
    frame = scan(open_source(tmp_path / "data", tmp_path / "x"), ScanConfig()).frame
    assert (frame["status"] == "ok").all() and frame["phash"].nunique() == 18


@pytest.mark.parametrize("unit", [2.0**-120, 2.0**127])  # which change no digit of a float
def test_a_picture_has_the_same_sketch_in_any_unit(unit, tmp_path):
    one, other = (
        sketch_of(look_at(written(tmp_path / f"{name}.tif", 1, name), None).grey)
        for name in (1, unit)
    )
    assert one.phash == other.phash
    assert np.abs(one.thumbnail.astype(int) - other.thumbnail).max() <= 1
