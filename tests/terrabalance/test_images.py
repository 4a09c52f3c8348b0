import warnings

import numpy as np
import pytest
from PIL import Image

from terrabalance.bands import RGB
from terrabalance.images import grid, read_patch, read_patches, to_rgb, write_png
from terrabalance.rasters.raster import Raster


@pytest.fixture
def ramp() -> np.ndarray:
    """(3, 24, 40) uint8: each band another gradient."""
    y, x = np.mgrid[0:24, 0:40]
    return np.stack([x * 6, y * 10, 255 - x * 6]).astype(np.uint8)


def test_grey_is_repeated_and_more_than_three_bands_lose_the_rest():
    grey = Raster(np.full((1, 2, 2), 7, np.uint8), "L")
    assert to_rgb(grey).tolist() == [[[7, 7], [7, 7]]] * 3
    five = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    assert to_rgb(Raster(five, "uint8x5"))[:, 0, 0].tolist() == [0, 1, 2]


def test_a_square_is_the_centre_and_only_resized_where_needed(tmp_path, ramp):
    write_png(tmp_path / "a.png", ramp)
    assert np.array_equal(read_patch(tmp_path / "a.png", 24), ramp[:, :, 8:32])
    small = read_patch(tmp_path / "a.png", 12)
    means = ramp[:, :, 8:32].reshape(3, 12, 2, 12, 2).mean((2, 4))
    assert small.shape == (3, 12, 12) and np.abs(small - means).mean() < 2


def test_many_squares_keep_their_order_and_tell_progress(tmp_path, squares):
    paths = [tmp_path / f"{i}.png" for i in range(len(squares))]
    for path, pixels in zip(paths, squares, strict=True):
        write_png(path, pixels)
    seen = []
    read = read_patches(paths, 16, RGB, lambda done, total, message="": seen.append((done, total)))
    assert np.array_equal(read, squares) and seen[-1] == (12, 12)


def test_reading_with_threads_leaves_the_warning_filters_as_they_were(tmp_path, ramp):
    write_png(tmp_path / "a.png", ramp)
    before = list(warnings.filters)
    read_patches([tmp_path / "a.png"] * 500, 8)
    assert warnings.filters == before


def test_a_png_carries_its_provenance_in_any_script(tmp_path, ramp):
    write_png(tmp_path / "new" / "a.png", ramp, {"terrabalance.class": "Étang 池"})
    with Image.open(tmp_path / "new" / "a.png") as image:
        assert image.info["terrabalance.class"] == "Étang 池"
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.png"]


def test_a_grid_tiles_row_by_row_on_white():
    images = np.stack([np.full((3, 2, 3), value, np.uint8) for value in (10, 20, 30)])
    canvas = grid(images, columns=2, gap_px=1)
    assert canvas.shape == (3, 5, 7)
    assert canvas[0, 0].tolist() == [10, 10, 10, 255, 20, 20, 20]
    assert canvas[0, 3].tolist() == [30, 30, 30, 255, 255, 255, 255]
    assert (canvas[:, 2] == 255).all()
