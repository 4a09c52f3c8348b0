import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from augment.measure.traits import GROUPS, ranges, traits
from augment.scenes import draw_scene

CLEAN = np.stack([draw_scene("Forest", i, 32) for i in range(8)])


def changed(values: np.ndarray) -> set[str]:
    """Return the groups in which images differ from the clean ones by more than these do."""
    before, after = traits(CLEAN), traits(values)
    own = {group: ranges(before[group], np.zeros(8, int))[0] for group in GROUPS}
    return {
        group for group in GROUPS
        if own[group].distance(after[group]).min() > own[group].distance(before[group]).max()
    }  # fmt: skip


def test_each_group_of_traits_sees_its_own_change():
    rng = np.random.default_rng(0)
    noisy = (CLEAN + rng.normal(0, 25, CLEAN.shape)).clip(0, 255).astype(np.uint8)
    assert "noise" in changed(noisy)
    assert "sharpness" in changed(gaussian_filter(CLEAN, (0, 0, 1.5, 1.5)))
    assert "edges" in changed(gaussian_filter(CLEAN, (0, 0, 3, 3)))
    assert "colour" in changed(np.roll(CLEAN, 1, axis=1))


def test_a_blank_image_has_finite_traits():
    blank = np.zeros((1, 3, 16, 16), np.uint8)
    assert all(np.isfinite(values).all() for values in traits(blank).values())


def test_images_of_a_class_are_at_a_distance_of_about_one():
    values = np.random.default_rng(0).normal(size=(400, 3)) * [1, 10, 100]
    own = ranges(values, np.zeros(400, int))[0]
    assert np.sqrt((own.distance(values) ** 2).mean()) == pytest.approx(1, abs=0.05)


def test_a_class_of_few_images_has_nearly_the_spread_of_all():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=(200, 2)), 5 + 1e-3 * rng.normal(size=(2, 2))])
    few = ranges(values, np.repeat([0, 1], [200, 2]))[1]
    assert few.distance(few.mean + np.ones((1, 2)))[0] == pytest.approx(1, abs=0.2)
