import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from augment.sample.borders import apply_gains, border_gains


def pictures(seed: int, n: int = 30, side: int = 40) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, (n, 2, side, side))
    return gaussian_filter(noise, (0, 0, 1, 1))


def busy(images: np.ndarray) -> np.ndarray:
    """The outermost two pixels with three times the detail."""
    changed = images * 3
    changed[:, :, 2:-2, 2:-2] = images[:, :, 2:-2, 2:-2]
    return changed


def roughness(images: np.ndarray) -> np.ndarray:
    """Of the outermost rows, over that in the middle."""
    steps = np.abs(np.diff(images, axis=3)).mean((0, 1, 3))
    return steps[[0, 1, -2, -1]] / steps[10:30].mean()


def test_busy_borders_become_as_real_ones():
    real, drawn = pictures(0), busy(pictures(1))
    changed = apply_gains(drawn, border_gains(real, drawn))
    before, after = (roughness(images) - roughness(real) for images in (drawn, changed))
    assert before.min() > 1 and after.max() < before.min() / 1.5


def test_the_inside_stays():
    real, drawn = pictures(0), busy(pictures(1))
    changed = apply_gains(drawn, border_gains(real, drawn))
    assert (changed[:, :, 8:-8, 8:-8] == drawn[:, :, 8:-8, 8:-8]).all()


def test_few_images_follow_the_borders_of_all_classes():
    own, drawn = busy(pictures(0, 1)), pictures(1)
    alone, among = (border_gains(own, drawn, others) for others in ((), [pictures(2)] * 9))
    assert alone[:, 0].min() > 1.5 and among[:, 0].max() < 1.3


@pytest.mark.parametrize("side", [8, 15, 17])
def test_small_and_blank_images_are_left_whole(side):
    images = np.zeros((2, 1, side, side))
    assert (apply_gains(images, border_gains(images, images)) == 0).all()
