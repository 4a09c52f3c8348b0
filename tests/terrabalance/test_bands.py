import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import rasterio
import tifffile
import torch
from PIL import Image

from terrabalance.bands import RGB, Bands, bands_from, measure_bands
from terrabalance.errors import BadInput, UnreadableImage
from terrabalance.images import read_patch, suffix_for, to_pil, to_rgb, write_image
from terrabalance.levels import centred, to_levels
from terrabalance.marks import is_marked_synthetic, read_marks
from terrabalance.rasters.decode import decode
from terrabalance.rasters.raster import Raster, Scaling
from terrabalance.sizes import describe_size

MARKS = {"terrabalance:synthetic": "true", "terrabalance:class": "Täler <b>"}


def image_of(dtype: str, count: int) -> np.ndarray:
    """(count, 20, 28), each band another gradient of what its type usually holds."""
    y, x = np.mgrid[0:20, 0:28]
    span = {"uint8": (0, 255), "uint16": (40, 9000), "int16": (-2500, 800), "float32": (-25.0, 3.0)}
    low, high = span[dtype]
    ramps = [(x * (band + 1) + y) % 29 / 28 for band in range(count)]
    return (low + np.stack(ramps) * (high - low)).astype(dtype)


def measured(image: np.ndarray) -> Bands:
    return measure_bands([Raster(image, "")])


def levels_of(bands: Bands, image: np.ndarray) -> np.ndarray:
    return bands.levels_of(np.stack([bands.shares(p, b) for b, p in enumerate(image)]))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 13])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_what_is_written_is_read_again_with_its_marks(tmp_path, dtype, count):
    image = image_of(dtype, count)
    bands = measured(image)
    path = tmp_path / f"a{suffix_for(bands)}"
    write_image(path, levels_of(bands, image), bands, MARKS)
    found = decode(path).pixels
    assert found.dtype == dtype and found.shape == image.shape
    step = (np.array(bands.high) - np.array(bands.low)) / 65535 if dtype != "uint8" else 0
    cut = image.clip(np.array(bands.low)[:, None, None], np.array(bands.high)[:, None, None])
    assert (np.abs(found - cut.astype(np.float64)).max((1, 2)) <= 1.01 * step + 1e-5).all()
    assert is_marked_synthetic(path) and read_marks(path)["terrabalance:class"] == "Täler <b>"
    assert (path.suffix == ".png") == (dtype == "uint8" and count in (1, 3))


def test_other_tiffs_are_not_taken_for_synthetic(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image_of("uint16", 4), description='["a list"]')
    tifffile.imwrite(tmp_path / "b.tif", image_of("uint16", 4), description="by hand")
    tifffile.imwrite(tmp_path / "c.tif", image_of("uint16", 4))
    assert not any(is_marked_synthetic(tmp_path / f"{name}.tif") for name in "abc")


@pytest.mark.parametrize("axis", ["first", "last"])
def test_the_band_axis_may_be_first_or_last(tmp_path, axis):
    image = image_of("uint16", 13)
    stored = image if axis == "first" else image.transpose(1, 2, 0)
    planar = "separate" if axis == "first" else "contig"
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="minisblack", planarconfig=planar)
    bands = measured(image)
    assert np.array_equal(read_patch(tmp_path / "a.tif", (20, 28), bands), levels_of(bands, image))


def test_rgb_is_read_as_it_always_was(tmp_path):
    picture = to_pil(image_of("uint8", 3))
    picture.save(tmp_path / "a.png")
    box = (4, 0, 24, 20)
    expected = picture.resize((16, 16), Image.Resampling.LANCZOS, box=box)
    found = read_patch(tmp_path / "a.png", 16)
    assert found.dtype == np.uint8
    assert np.array_equal(found, np.asarray(expected).transpose(2, 0, 1))
    assert np.array_equal(read_patch(tmp_path / "a.png", 20), image_of("uint8", 3)[:, :, 4:24])


def test_the_largest_centred_part_of_the_wanted_shape_is_cut(tmp_path):
    image = image_of("uint16", 2)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack", planarconfig="separate")
    bands = measured(image)
    assert np.array_equal(
        read_patch(tmp_path / "a.tif", (20, 14), bands), levels_of(bands, image[:, :, 7:21])
    )
    assert read_patch(tmp_path / "a.tif", (8, 24), bands).shape == (2, 8, 24)


def test_another_number_of_bands_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image_of("uint16", 4), photometric="minisblack",
                     planarconfig="separate")  # fmt: skip
    with pytest.raises(UnreadableImage, match=r"a\.tif: 4 bands, not 5"):
        read_patch(tmp_path / "a.tif", 16, measured(image_of("uint16", 5)))


def test_a_few_hot_pixels_do_not_squeeze_the_others():
    image = np.random.default_rng(0).integers(100, 200, (1, 64, 64)).astype(np.uint16)
    image[0, 0, 0] = 65535
    bands = measured(image)
    assert bands.high[0] < 300 and levels_of(bands, image).max() == 65535
    flat = measured(np.full((2, 8, 8), 7, np.uint16))
    assert flat.values(levels_of(flat, np.full((2, 8, 8), 7, np.uint16))).max() == 7


@pytest.mark.parametrize(
    "count, places", [(1, (0, 0, 0)), (2, (0, 1, 1)), (4, (0, 1, 2)), (13, (3, 2, 1))]
)
def test_many_bands_are_shown_in_three(count, places):
    image = image_of("uint16", count)
    bands = measured(image)
    shown, levels = bands.preview(levels_of(bands, image)), levels_of(bands, image)
    assert bands.shown == places and shown.dtype == np.uint8
    assert np.array_equal(shown, np.stack([levels[place] >> 8 for place in places]))
    assert measure_bands([Raster(image, "")], shown=(0, 0, 0)).shown == (0, 0, 0)


@pytest.mark.parametrize("level_type", [np.uint8, np.uint16])
def test_levels_survive_the_way_through_floats(level_type):
    levels = np.arange(0, np.iinfo(level_type).max + 1, 5).astype(level_type)
    floats = centred(torch.from_numpy(levels))
    assert floats.min() == -1 and floats.max() <= 1 and floats.dtype == torch.float32
    assert np.array_equal(to_levels(floats, level_type), levels)


def test_rgb_stays_what_it_is():
    image = image_of("uint8", 3)
    assert measured(image) == RGB and np.array_equal(levels_of(RGB, image), image)
    assert RGB.preview(image) is not None and np.array_equal(RGB.preview(image), image)
    assert Bands((0.0,), (255.0,), "uint8", (0, 0, 0)).is_rgb is False


def test_bytes_of_two_scalings_are_no_rgb_and_become_one(tmp_path):
    image = image_of("uint8", 3)
    halved = Scaling((0.5,) * 3, (0.0,) * 3)
    bands = measure_bands([Raster(image, ""), Raster(image, ""), Raster(image, "", scaling=halved)])
    assert bands.scaling == Scaling((1.0,) * 3, (0.0,) * 3) and not bands.is_rgb
    share, half = (bands.shares(image[0], 0, scaling) for scaling in (None, halved))
    span = bands.high[0] - bands.low[0]
    assert np.allclose((half * span + bands.low[0]) * 2, share * span + bands.low[0], atol=0.01)


def test_sizes_have_names():
    assert describe_size(64) == "64 px" and describe_size((40, 56)) == "40 x 56 px"


def test_a_grey_preview_is_a_picture(tmp_path):
    write_image(tmp_path / "a.png", image_of("uint8", 1), measured(image_of("uint8", 1)), {})
    assert decode(tmp_path / "a.png").mode == "L"
    assert to_rgb(decode(tmp_path / "a.png")).shape == (3, 20, 28)


@pytest.mark.parametrize("value", [-9999.0, np.nan, 1e38])
@pytest.mark.parametrize("own_masks", [False, True])
def test_ranges_are_those_of_the_samples_that_hold_data(value, own_masks):
    """Two of forty tiles of reflectance lack a corner; a whole tile still uses all levels."""
    tiles = [Raster(tile, "") for tile in np.random.default_rng(0).random((40, 2, 32, 32)) * 0.4]
    bands = measure_bands(tiles)
    good = np.ones((2 if own_masks else 1, 32, 32), bool)
    good[-1, :8, :8] = False
    for place in (3, 17):
        tiles[place] = Raster(np.where(good, tiles[place].pixels, value), "", good)
    found = measure_bands(tiles)
    assert found.low == pytest.approx(bands.low, abs=1e-4) and min(found.low) >= 0
    assert found.high == pytest.approx(bands.high, abs=1e-4) and max(found.high) <= 0.4
    assert len(np.unique(levels_of(found, tiles[0].pixels))) > 2000, "of 2,048 samples"


def test_a_band_without_any_data_has_a_range_of_its_own():
    good = np.array([True, False])[:, None, None] & np.ones((2, 8, 8), bool)
    pixels = np.where(good, np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8), np.nan)
    bands = measure_bands([Raster(pixels, "", good)])
    assert bands.high[0] == pytest.approx(1, abs=0.01) and (bands.low[1], bands.high[1]) == (0, 1)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_one_scene_under_three_scalings_has_the_same_levels(tmp_path):
    """Reflectance as digital numbers; of Sentinel-2 since 2022, 1,000 higher; in steps of 2e-5."""
    numbers = np.random.default_rng(0).integers(1000, 2991, (3, 64, 64))
    writings = {
        "before": (numbers, 1e-4, 0.0), "since": (numbers + 1000, 1e-4, -0.1),
        "fine": (numbers * 5, 2e-5, 0.0),
    }  # fmt: skip
    for name, (stored, scale, offset) in writings.items():
        with rasterio.open(tmp_path / f"{name}.tif", "w", driver="GTiff", count=3, height=64,
                           width=64, dtype="uint16") as file:  # fmt: skip
            file.write(stored.astype(np.uint16))
            file.scales, file.offsets = (scale,) * 3, (offset,) * 3
    paths = [tmp_path / f"{name}.tif" for name in writings]
    means = [decode(path).pixels.mean() for path in paths]
    assert means == pytest.approx([1995, 2995, 9975], abs=5), "as in the files"
    for usual in paths:
        bands = measure_bands([decode(usual), *map(decode, [*paths, usual])])
        before, *others = (read_patch(path, 64, bands).astype(int) for path in paths)
        assert before.max() == 65535 and before.std() > 10_000
        assert all(np.abs(other - before).max() <= 1 for other in others)


@pytest.mark.parametrize(
    "change",
    [
        {"low": 3},
        {"high": [1.0]},
        {"shown": [0, 1, 9]},
        {"dtype": "wide"},
        {"scaling": [1]},
        {"low": [0, 0, float("nan")]},
        {"high": [255, 255, float("inf")]},
        {"high": [255, 255, 0]},
        {"scaling": {"scale": [1, 1, 0], "offset": [0, 0, 0]}},
        {"scaling": {"scale": [1, 1], "offset": [0, 0, 0]}},
    ],
)
def test_a_record_of_bands_that_is_none_is_refused_by_its_file(change):
    assert bands_from(json.loads(json.dumps(asdict(RGB))), Path("card.json")) == RGB
    with pytest.raises(BadInput, match=r"card\.json: does not say in which bands"):
        bands_from({**asdict(RGB), **change}, Path("card.json"))
