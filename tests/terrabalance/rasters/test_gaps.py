import time
import tracemalloc

import numpy as np
import pytest

from terrabalance.rasters.gaps import fill

HEIGHT, WIDTH = 40, 48


def scene(bands: int, dtype: str = "uint16") -> np.ndarray:
    """(bands, 40, 48) without two equal values in a band."""
    draw = np.random.default_rng(0)
    values = [draw.permutation(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) for _ in range(bands)]
    return np.stack(values).astype(dtype)


def mask_of(kind: str) -> np.ndarray:
    """(40, 48) bool, False in a gap of a kind that rasters have."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return {
        "corner": rows + columns > 12,
        "swath": rows + 3 * columns < 125,
        "hole": np.hypot(rows - 20, columns - 24) > 5,
        "line": rows != 17,
        "dust": np.random.default_rng(1).random((HEIGHT, WIDTH)) > 0.1,
        "all but a pixel": (rows == 3) & (columns == 5),
    }[kind]


KINDS = ("corner", "swath", "hole", "line", "dust", "all but a pixel")


def holed(pixels: np.ndarray, valid: np.ndarray, value: float) -> np.ndarray:
    return np.where(valid, pixels, np.array(value, pixels.dtype))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype, value", [("uint8", 0), ("uint16", 65535), ("int32", -(2**31)),
                                          ("float32", np.nan), ("float64", -np.inf)])  # fmt: skip
def test_data_stays_to_the_bit_and_a_gap_takes_nothing_but_data(kind, dtype, value):
    pixels, good = scene(3, dtype), mask_of(kind)
    filled = fill(holed(pixels, good, value), good[None])
    assert filled.dtype == dtype and np.array_equal(filled[:, good], pixels[:, good])
    for band, before in zip(filled, pixels, strict=True):
        assert np.isin(band[~good], before[good]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_gap_held_does_not_matter(kind):
    pixels, good = scene(2, "float32"), mask_of(kind)
    filled = [fill(holed(pixels, good, value), good[None]) for value in (-9999, np.nan, 1e38)]
    assert np.array_equal(filled[0], filled[1]) and np.array_equal(filled[0], filled[2])


@pytest.mark.parametrize("kind", KINDS)
def test_a_pixel_of_all_bands_comes_from_one_place(kind):
    pixels, good = scene(1), mask_of(kind)
    filled = fill(np.concatenate([pixels, pixels + 3000, 9000 - pixels]), good[None])
    assert np.array_equal(filled[1], filled[0] + 3000)
    assert np.array_equal(filled[2], 9000 - filled[0])


@pytest.mark.parametrize(
    "cut, margins",
    [(np.s_[:, :, :-6], ((0, 0), (0, 0), (0, 6))), (np.s_[:, :, 5:], ((0, 0), (0, 0), (5, 0))),
     (np.s_[:, :-9], ((0, 0), (0, 9), (0, 0))), (np.s_[:, :14], ((0, 0), (0, 26), (0, 0))),
     (np.s_[:, 1:], ((0, 0), (1, 0), (0, 0)))],
)  # fmt: skip
def test_a_strip_at_the_border_is_what_numpy_pads_by_reflection(cut, margins):
    pixels = scene(3)
    good = np.zeros((1, HEIGHT, WIDTH), bool)
    good[cut] = True
    assert np.array_equal(fill(pixels, good), np.pad(pixels[cut], margins, "reflect"))


@pytest.mark.parametrize("kind", ["corner", "swath", "hole", "line"])
def test_stripes_of_a_pixel_go_on_as_they_were(kind):
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    good = mask_of(kind)
    for stripes in (columns % 2, rows % 2, (columns + rows) % 2):
        pixels = (40 + 150 * stripes).astype(np.uint8)[None]
        assert np.array_equal(fill(pixels * good, good[None]), pixels)


@pytest.mark.parametrize("period", [4, 6, 8, 12])
def test_waves_go_on_where_the_border_is_at_a_crest(period):
    wave = np.cos(2 * np.pi * np.arange(WIDTH) / period).round(12)
    pixels = np.broadcast_to(wave, (1, HEIGHT, WIDTH))
    good = np.broadcast_to(np.arange(WIDTH) <= 36, (HEIGHT, WIDTH))  # a multiple of half of each
    assert np.array_equal(fill(pixels * good, good[None]), pixels)


@pytest.mark.parametrize("kind", ["corner", "swath", "hole"])
def test_noise_goes_on_as_strong_and_as_grainy(kind):
    pixels = np.random.default_rng(0).normal(100, 20, (24, HEIGHT, WIDTH)).astype(np.float32)
    good = mask_of(kind)
    filled = fill(holed(pixels, good, -9999), good[None])
    steps = np.abs(np.diff(filled, axis=1))[:, ~(good[1:] | good[:-1])]
    assert filled[:, ~good].mean() == pytest.approx(100, abs=2)
    assert filled[:, ~good].std() == pytest.approx(20, rel=0.1)
    assert steps.mean() == pytest.approx(20 * 2 / np.sqrt(np.pi), rel=0.1)  # of independent normals


def test_where_the_mirrored_place_is_a_gap_too_the_nearest_sample_is_taken():
    pixels = np.array([[[0, 1, 2, 0, 0, 3, 0, 4]]], np.uint8)
    assert fill(pixels, pixels > 0).tolist() == [[[2, 1, 2, 1, 3, 3, 3, 4]]]


def test_bands_may_lack_different_places():
    pixels = scene(3)
    good = np.stack([mask_of("corner"), mask_of("hole"), mask_of("swath")])
    filled = fill(holed(pixels, good, 0), good)
    for band, alone in enumerate(filled):
        expected = fill(holed(pixels, good, 0)[band : band + 1], good[band : band + 1])
        assert np.array_equal(alone, expected[0])


def test_a_band_without_any_data_is_zero_and_the_others_are_as_they_were():
    pixels = scene(2, "float32")
    good = np.stack([np.zeros((HEIGHT, WIDTH), bool), np.ones((HEIGHT, WIDTH), bool)])
    filled = fill(holed(pixels, good, np.nan), good)
    assert not filled[0].any() and np.array_equal(filled[1], pixels[1])
    assert not fill(np.full((3, 8, 8), np.nan), np.zeros((1, 8, 8), bool)).any()


def test_without_gaps_nothing_is_copied_and_with_gaps_nothing_is_changed():
    pixels, good = scene(3), mask_of("corner")[None]
    before = pixels.copy()
    assert fill(pixels, None) is pixels
    fill(pixels, good)
    assert np.array_equal(pixels, before)


def test_the_memory_is_a_copy_and_a_few_bytes_a_pixel():
    pixels, good = np.zeros((8, 600, 600), np.uint16), np.ones((1, 600, 600), bool)
    good[..., :60] = False
    tracemalloc.start()
    fill(pixels, good)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < pixels.nbytes + 20 * 600 * 600


def test_a_megapixel_of_small_gaps_is_filled_within_a_second_or_two():
    good = np.random.default_rng(0).random((1, 1000, 1000)) > 0.1
    began = time.process_time()
    fill(np.zeros((3, 1000, 1000), np.uint16), good)
    assert time.process_time() - began < 2  # 0.1 s as measured; a search for each gap takes minutes
