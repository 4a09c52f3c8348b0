"""Values near the ends of their types: measured as others are, or refused; never a warning."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from terrabalance.bands import Bands, measure_bands
from terrabalance.errors import UnreadableImage
from terrabalance.images import read_patch, to_rgb
from terrabalance.rasters.decode import decode
from terrabalance.rasters.gdal_tags import METADATA_TAG, NODATA_TAG

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

_LARGE = 2.0**126  # a power of two, so that the values times it are the same but for their unit


def written(path: Path, values: np.ndarray, tags: tuple[tuple[int, str], ...] = ()) -> Path:
    extra = [(code, "s", 0, text, True) for code, text in tags]
    planar = "separate" if len(values) > 1 else None
    tifffile.imwrite(
        path, values, photometric="minisblack", planarconfig=planar, metadata=None, extratags=extra
    )
    return path


def noise(seed: int, bands: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (bands, 48, 48)).astype(np.float32)


@pytest.mark.parametrize("unit", [_LARGE, 2.0**-120])
def test_an_image_has_the_same_levels_in_another_unit(unit, tmp_path):
    paths = [
        written(tmp_path / f"{index}.tif", noise(1, 3) * np.float32(factor))
        for index, factor in enumerate((1, unit))
    ]
    levels = [read_patch(path, 24, measure_bands([decode(path)])) for path in paths]
    assert np.abs(levels[0].astype(int) - levels[1]).max() <= 1
    shown = [to_rgb(decode(path)).astype(int) for path in paths]
    assert np.abs(shown[0] - shown[1]).max() <= 1


def test_float64_that_float32_cannot_hold_is_refused_with_what_makes_it_read(tmp_path):
    values = noise(2, 1).astype(np.float64)
    values[0, :4, :4] = -1.7e308
    with pytest.raises(UnreadableImage, match=r"a value of -1\.7e\+308; .*-a_nodata -1\.7e\+308"):
        decode(written(tmp_path / "a.tif", values))
    raster = decode(written(tmp_path / "b.tif", values, ((NODATA_TAG, "-1.7e+308"),)))
    assert raster.invalid_share == 16 / 48**2


def test_no_data_that_is_written_rounded_up_is_the_largest_value(tmp_path):
    values = noise(3, 1)
    values[0, 0, 0] = np.finfo(np.float32).max
    raster = decode(written(tmp_path / "a.tif", values, ((NODATA_TAG, "3.4028237e+38"),)))
    assert raster.invalid_share == 1 / 48**2


@pytest.mark.parametrize("value", [1e20, -1e20, 3.4e38, 5.0, 2.0**53])
def test_an_empty_band_of_any_value_is_its_lowest_level_and_comes_back(value, tmp_path):
    values = np.full((1, 48, 48), value, np.float32)
    path = written(tmp_path / "a.tif", values)
    bands = measure_bands([decode(path)])
    levels = read_patch(path, 24, bands)
    assert not levels.any() and not to_rgb(decode(path)).any()
    assert (bands.values(levels) == np.float32(value)).all()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_pixel_that_is_far_out_is_cut_and_leaves_the_others(dtype, tmp_path):
    values = noise(4, 1).astype(dtype)
    bands = replace(measure_bands([decode(written(tmp_path / "a.tif", values))]), dtype=dtype)
    values[0, 0, 0] = np.finfo(dtype).max
    levels = read_patch(written(tmp_path / "b.tif", values), 48, bands)
    assert levels[0, 0, 0] == 65535
    narrow = replace(bands, low=(0.0,), high=(1e-300,))
    near = read_patch(tmp_path / "b.tif", 24, narrow)
    assert set(np.unique(near)) <= {0, 65535}


@pytest.mark.parametrize("dtype", ["int64", "uint64", "uint32", "float32", "float16"])
def test_the_ends_of_a_type_come_back_and_never_turn_around(dtype):
    limits = np.finfo(dtype) if dtype.startswith("float") else np.iinfo(dtype)
    bands = Bands((float(limits.min),), (float(limits.max),), dtype, (0, 0, 0))
    found = bands.values(np.array([0, 65535], np.uint16).reshape(1, 1, 2))[0, 0]
    assert float(found[0]) == float(limits.min)
    assert float(found[1]) == pytest.approx(float(limits.max), rel=1e-6)


@pytest.mark.parametrize("text", ["0", "1e300", "nan", "inf", "1e-300"])
def test_a_scale_that_converts_nothing_is_refused(text, tmp_path):
    item = f'<Item name="SCALE" sample="0" role="scale">{text}</Item>'
    tags = ((METADATA_TAG, f"<GDALMetadata>{item}</GDALMetadata>"),)
    with pytest.raises(UnreadableImage, match=r"its scale .* converts nothing: .*gdal_edit\.py"):
        decode(written(tmp_path / "a.tif", noise(5, 1), tags))


@pytest.mark.parametrize("dtype", [np.uint32, np.int64, np.float64])
def test_values_that_float32_cannot_tell_apart_are_refused_with_an_offset_to_take_off(
    dtype, tmp_path
):
    tile = np.random.default_rng(4).integers(0, 128, (1, 48, 48)).astype(dtype)
    far = tile + dtype(2**31)  # the next float32 is 256 away
    assert len(np.unique(far)) == 128 and len(np.unique(far.astype(np.float32))) == 1
    path = written(tmp_path / "far.tif", far)
    with pytest.raises(UnreadableImage, match=r"band 1 lie between 2,147,483,648.*offset off it"):
        decode(path)
    assert decode(written(tmp_path / "near.tif", tile)).pixels.max() == 127


def test_whole_numbers_of_a_wide_range_are_read_as_they_are(tmp_path):
    wide = np.random.default_rng(5).integers(0, 2**32, (2, 48, 48), dtype=np.uint32)
    assert np.array_equal(decode(written(tmp_path / "wide.tif", wide)).pixels, wide)
    coarse = np.random.default_rng(6).integers(0, 4, (1, 48, 48)) * 256 + 2**31
    assert (decode(written(tmp_path / "exact.tif", coarse)).pixels == coarse).all()  # by float32


def test_what_stands_for_no_data_does_not_count_as_a_range(tmp_path):
    tile = np.random.default_rng(7).integers(0, 128, (1, 48, 48)).astype(np.float64) + 2.0**31
    tile[0, :4] = -9999
    with pytest.raises(UnreadableImage, match="float32"):
        decode(written(tmp_path / "a.tif", tile, ((NODATA_TAG, "-9999"),)))
