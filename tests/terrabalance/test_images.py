import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from terrabalance.bands import RGB, measure_bands
from terrabalance.images import grid, read_patch, read_patches, to_rgb, write_image, write_png
from terrabalance.rasters.decode import decode
from terrabalance.rasters.raster import Raster

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


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


def write_by_gdal(path: Path, pixels: np.ndarray, nodata: float | None) -> None:
    count, height, width = pixels.shape
    with rasterio.open(path, "w", driver="GTiff", count=count, height=height, width=width,
                       dtype=pixels.dtype.name, nodata=nodata) as file:  # fmt: skip
        file.write(pixels)


def with_gap(pixels: np.ndarray, value: float) -> np.ndarray:
    """Return a copy whose last columns hold a value instead of data."""
    holed = pixels.copy()
    holed[:, :, GAP:] = value
    return holed


GAP, REACH = 84, 3  # columns; pixels of the result on either side that Lanczos weighs
GAPS = [
    ("float32", -9999), ("float32", np.nan), ("float32", 1e38), ("float32", -3.4028234663852886e38),
    ("float64", -9999), ("float64", np.nan), ("float64", 1e38), ("float64", -1.7e308),
    ("uint16", 0), ("uint16", 65535), ("int16", -9999), ("int32", -(2**31)), ("uint8", 255),
]  # fmt: skip


def scene(dtype: str) -> np.ndarray:
    """(5, 96, 96) of 1 to 200 and a little more, in any type."""
    return np.random.default_rng(0).integers(1, 201, (5, 96, 96)).astype(dtype)


@pytest.mark.parametrize("dtype, value", GAPS)
@pytest.mark.parametrize("side", [96, 48, 30])
def test_beside_a_gap_a_patch_is_what_it_would_be_without(tmp_path, dtype, value, side):
    write_by_gdal(tmp_path / "whole.tif", scene(dtype), None)
    write_by_gdal(tmp_path / "holed.tif", with_gap(scene(dtype), value), value)
    bands = measure_bands([decode(tmp_path / "holed.tif")])
    whole, holed = (read_patch(tmp_path / f"{n}.tif", side, bands) for n in ("whole", "holed"))
    begin = GAP * side // 96 - (0 if side == 96 else REACH)
    assert np.array_equal(holed[:, :, :begin], whole[:, :, :begin])
    assert not np.array_equal(holed, whole)


@pytest.mark.parametrize("dtype, value", GAPS)
def test_no_level_depends_on_what_a_gap_holds(tmp_path, dtype, value):
    """Nor does the range of a band: both are as for a gap of the value 0, which no data has."""
    levels = []
    for nodata in (0, value):
        path = tmp_path / f"{nodata}.tif"
        write_by_gdal(path, with_gap(scene(dtype), nodata), nodata)
        bands = measure_bands([decode(path)])
        levels.append([read_patch(path, side, bands) for side in (96, 40)])
        if dtype != "uint8":
            assert min(bands.low) >= 1 and max(bands.high) <= 200
    for expected, found in zip(*levels, strict=True):
        assert np.array_equal(found, expected)


def test_a_gap_of_bytes_is_filled_before_a_picture_is_resized(tmp_path):
    dark = 100 + scene("uint8")[:3] // 4
    write_by_gdal(tmp_path / "a.tif", with_gap(dark, 0), 0)
    for side in (96, 40):
        found = read_patch(tmp_path / "a.tif", side)
        assert found.min() >= 90, "the filter rings by less than 10 levels in such a picture"


def test_a_png_is_one_also_where_its_suffix_is_in_capitals(tmp_path, ramp):
    write_image(tmp_path / "a.PNG", ramp, RGB, {})
    with Image.open(tmp_path / "a.PNG") as image:
        assert image.format == "PNG"


def test_a_grid_tiles_row_by_row_on_white():
    images = np.stack([np.full((3, 2, 3), value, np.uint8) for value in (10, 20, 30)])
    canvas = grid(images, columns=2, gap_px=1)
    assert canvas.shape == (3, 5, 7)
    assert canvas[0, 0].tolist() == [10, 10, 10, 255, 20, 20, 20]
    assert canvas[0, 3].tolist() == [30, 30, 30, 255, 255, 255, 255]
    assert (canvas[:, 2] == 255).all()
