import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from augment.giveaway import give_away
from augment.scenes import draw_scene
from augment.spectrum import SpectrumMap, apply_map, spectrum_map


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
    gains = spectrum_map(real, drawn)
    assert give_away(unseen, drawn).value > 0.8
    assert give_away(unseen, apply_map(drawn, gains)).value < 0.6


def test_images_with_the_spectrum_of_real_ones_hardly_change():
    real, drawn = scenes(0), scenes(1000)
    changed = apply_map(drawn, spectrum_map(real, drawn))
    assert np.abs(changed.astype(int) - drawn).mean() < 3


def test_the_filter_is_measured_on_a_few_images_and_holds_for_others():
    real, drawn = scenes(0), soft(scenes(1000))
    gains = spectrum_map(real, drawn[:20])
    assert give_away(real, apply_map(drawn[20:], gains)).value < 0.75


def test_few_real_images_change_less():
    real, drawn = scenes(0), soft(scenes(1000))
    few, many = (
        np.abs(apply_map(drawn, spectrum_map(real[:n], drawn)).astype(int) - drawn).mean()
        for n in (2, 40)
    )
    assert few < many / 1.5


def test_colours_on_the_whole_stay():
    images = scenes(0, 6)
    mapping = spectrum_map(scenes(0), soft(scenes(1000)))
    changed = apply_map(images // 2 + 60, mapping)  # nothing is cut at black or white
    assert np.abs(changed.mean((2, 3)) - (images // 2 + 60).mean((2, 3))).max() < 0.5


@pytest.mark.parametrize("shape", [(1, 24, 24), (5, 20, 28)])
def test_any_bands_and_sides_of_sixteen_bit_keep_their_type_and_shape(shape):
    images = np.random.default_rng(0).integers(0, 65536, (4, *shape), np.uint16)
    changed = apply_map(images, spectrum_map(images, images))
    assert changed.dtype == np.uint16 and np.abs(changed.astype(int) - images).max() <= 1


def test_blank_images_are_left_blank():
    blank = np.full((3, 3, 16, 16), 90, np.uint8)
    assert (apply_map(blank, spectrum_map(blank, blank)) == blank).all()


def test_images_that_are_too_much_alike_become_as_various_as_real_ones():
    widths = np.random.default_rng(0).uniform(0.2, 1.0, 80)
    varied = np.stack([
        gaussian_filter(image, (0, width, width))
        for image, width in zip(scenes(0, 80), widths, strict=True)
    ])  # fmt: skip
    alike = gaussian_filter(scenes(1000, 80), (0, 0, 0.5, 0.5))
    mapped = apply_map(alike[40:], spectrum_map(varied[:40], alike[:40]))

    def spread(images: np.ndarray) -> float:
        """Of the share of what is finer than two pixels, over images."""
        fine = images - gaussian_filter(images.astype(float), (0, 0, 1, 1))
        return float(np.log(fine.std((1, 2, 3)) / images.std((1, 2, 3))).std())

    assert spread(alike[40:]) < 0.75 * spread(varied[40:])
    assert spread(mapped) > 0.85 * spread(varied[40:])


def test_a_map_survives_its_record():
    mapping = spectrum_map(scenes(0), soft(scenes(1000)))
    again = SpectrumMap.of(json.loads(json.dumps(mapping.record())))
    drawn = soft(scenes(2000, 4))
    assert (apply_map(drawn, again) == apply_map(drawn, mapping)).all()
