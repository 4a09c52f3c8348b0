import numpy as np
import pytest
import tifffile
from PIL import Image

from augment.sample.masks import read_mask
from terrabalance.errors import BadInput

SIZE = (32, 32)
PAINTED = np.zeros(SIZE, bool)
PAINTED[9:15, 10:17] = True


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def read(tmp_path, photo):
    """Save pixels as a file, by its suffix, and return what that covers as a mask."""

    def read(pixels: np.ndarray, name: str = "mask.png", **how: object) -> np.ndarray:
        path = tmp_path / name
        if path.suffix == ".tif":
            tifffile.imwrite(path, pixels, **how)
        else:
            Image.fromarray(pixels).save(path, **how)
        return read_mask(path, photo, SIZE)

    return read


def painted(dark: float, bright: float, dtype: type) -> np.ndarray:
    return np.where(PAINTED, bright, dark).astype(dtype)


@pytest.mark.parametrize(
    "pixels",
    [
        painted(0, 255, np.uint8),
        painted(0, 1, np.uint8),
        painted(0, 1, np.uint16),
        painted(0, 65535, np.uint16),
        painted(40, 200, np.uint8),
        PAINTED,
    ],
)
def test_the_higher_of_two_values_covers_without_a_word(read, pixels, caplog):
    assert np.array_equal(read(pixels), PAINTED) and not caplog.messages


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
def test_values_below_zero_and_floats_are_read_alike(read, dtype):
    assert np.array_equal(read(painted(-1, 1, dtype), "mask.tif"), PAINTED)
    assert np.array_equal(read(painted(0, 1, dtype), "mask.tif"), PAINTED)


@pytest.mark.parametrize("quality", [75, 95])
def test_the_ripples_of_a_jpeg_are_not_painted(read, tmp_path, quality, caplog):
    mask = read(painted(0, 255, np.uint8), "mask.jpg", quality=quality)
    assert np.array_equal(mask, PAINTED)
    with Image.open(tmp_path / "mask.jpg") as image:
        n_values = len(set(np.asarray(image).ravel().tolist()))
    (said,) = caplog.messages
    assert f"mask.jpg: has {n_values} different values, not two" in said
    assert "above 127.5, half of their range from 0 to 255" in said
    assert f"{100 * PAINTED.mean():.2f} % of the mask" in said


def test_a_soft_edge_counts_from_half_on(read):
    pixels = painted(0, 255, np.uint8)
    pixels[9:15, 9], pixels[9:15, 17] = 127, 128
    expected = PAINTED.copy()
    expected[9:15, 17] = True
    assert np.array_equal(read(pixels), expected)


def test_colours_count_by_their_brightest_band(read):
    red = np.zeros((*SIZE, 3), np.uint8)
    red[PAINTED] = (255, 0, 0)
    assert np.array_equal(read(red), PAINTED)


def test_what_is_transparent_is_not_painted_whatever_colour_it_hides(read):
    layer = np.full((*SIZE, 4), 255, np.uint8)
    layer[..., 3] = painted(0, 255, np.uint8)
    assert np.array_equal(read(layer), PAINTED)
    layer[9:15, 17, 3] = np.linspace(1, 120, 6)  # a soft brush
    assert np.array_equal(read(layer), PAINTED)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_pixel_that_is_no_number_is_refused(read, value):
    pixels = painted(0, 1, np.float32)
    pixels[0, :3] = value
    with pytest.raises(BadInput, match=r"mask.tif: 3 pixels hold no data .* Save a mask of 0"):
        read(pixels, "mask.tif")


def test_declared_no_data_is_refused_unless_it_is_zero(read):
    def tag(value: str) -> dict[str, object]:
        return {"extratags": [(42113, "s", 0, value, True)]}  # GDAL_NODATA

    pixels = painted(0, 1, np.uint8)
    assert np.array_equal(read(pixels, "mask.tif", **tag("0")), PAINTED)
    pixels[0, 0] = 255
    with pytest.raises(BadInput, match="1 pixels hold no data"):
        read(pixels, "mask.tif", **tag("255"))


@pytest.mark.parametrize(("value", "said"), [(0, "covers nothing"), (255, "covers all")])
def test_a_mask_of_one_value_says_that_it_covers_nothing_or_all(read, value, said):
    with pytest.raises(BadInput, match=said):
        read(np.full(SIZE, value, np.uint8))


@pytest.mark.parametrize("side", [16, 24, 31, 32, 33, 40, 64, 100, 320])
def test_a_mask_of_another_size_covers_each_pixel_that_it_covers_in_any_part(read, side):
    rng = np.random.default_rng(side)
    drawn = rng.random((side, side)) < 3 / side  # single pixels, far less than one of the image's
    drawn[:, side // 3] = True  # and a line
    # Both are exact on the grid of their least common multiple.
    grid = np.lcm(side, 32)
    fine = drawn.repeat(grid // side, 0).repeat(grid // side, 1)
    expected = fine.reshape(32, grid // 32, 32, grid // 32).any((1, 3))
    assert np.array_equal(read(np.where(drawn, 255, 0).astype(np.uint8)), expected)


def test_a_reduced_photo_is_covered_wherever_its_mask_touches_a_pixel(tmp_path):
    Image.new("RGB", (30, 48)).save(tmp_path / "photo.png")
    drawn = np.zeros((48, 30), np.uint8)
    drawn[20] = 255  # 48 rows of 30 px; cut to 30 from row 9 on, then 30 / 20 px: from 7.3 to 8
    Image.fromarray(drawn).save(tmp_path / "mask.png")
    found = read_mask(tmp_path / "mask.png", tmp_path / "photo.png", (20, 20))
    assert np.flatnonzero(found.any(1)).tolist() == [7]
    drawn[:] = 0
    drawn[10] = 255  # the second row of the cut reaches over the edge at 1.5 of its rows
    Image.fromarray(drawn).save(tmp_path / "mask.png")
    found = read_mask(tmp_path / "mask.png", tmp_path / "photo.png", (20, 20))
    assert np.flatnonzero(found.any(1)).tolist() == [0, 1]
