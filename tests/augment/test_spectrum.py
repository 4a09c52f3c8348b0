import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from augment.giveaway import give_away
from augment.scenes import draw_scene
from augment.spectrum import apply_gains, filter_gains


def scenes(first: int, n: int = 40, side: int = 48) -> np.ndarray:
    return np.stack([draw_scene("Forest", first + i, side) for i in range(n)])


def soft(images: np.ndarray) -> np.ndarray:
    return gaussian_filter(images, (0, 0, 0.45, 0.45))


def grainy(images: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 4, images.shape)
    return (images + noise).round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("change", [soft, grainy])
def test_what_gave_images_away_does_so_no_longer(change):
    real, drawn, unseen = scenes(0), change(scenes(1000)), scenes(2000)
    gains = filter_gains(real, drawn)
    assert give_away(unseen, drawn).value > 0.8
    assert give_away(unseen, apply_gains(drawn, gains)).value < 0.6


def test_images_with_the_spectrum_of_real_ones_hardly_change():
    real, drawn = scenes(0), scenes(1000)
    changed = apply_gains(drawn, filter_gains(real, drawn))
    assert np.abs(changed.astype(int) - drawn).mean() < 3


def test_the_filter_is_measured_on_a_few_images_and_holds_for_others():
    real, drawn = scenes(0), soft(scenes(1000))
    gains = filter_gains(real, drawn[:20])
    assert give_away(real, apply_gains(drawn[20:], gains)).value < 0.75


def test_few_real_images_change_less():
    real, drawn = scenes(0), soft(scenes(1000))
    few, many = (np.abs(np.log(filter_gains(real[:n], drawn))).mean() for n in (2, 40))
    assert few < many / 1.5


def test_colours_on_the_whole_stay():
    images = scenes(0, 6)
    gains = np.full((3, 12), 1.5)
    changed = apply_gains(images // 2 + 60, gains)  # nothing is cut at black or white
    assert np.abs(changed.mean((2, 3)) - (images // 2 + 60).mean((2, 3))).max() < 0.5


@pytest.mark.parametrize("shape", [(1, 24, 24), (5, 20, 28)])
def test_any_bands_and_sides_of_sixteen_bit_keep_their_type_and_shape(shape):
    images = np.random.default_rng(0).integers(0, 65536, (4, *shape), np.uint16)
    changed = apply_gains(images, filter_gains(images, images))
    assert changed.dtype == np.uint16 and np.abs(changed.astype(int) - images).max() <= 1


def test_blank_images_are_left_blank():
    blank = np.full((3, 3, 16, 16), 90, np.uint8)
    assert (apply_gains(blank, filter_gains(blank, blank)) == blank).all()
