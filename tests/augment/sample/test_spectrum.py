import json

import numpy as np
import pytest
from forest import forest
from scipy.ndimage import gaussian_filter

from augment.measure.giveaway import give_away
from augment.sample import spectrum
from augment.sample.spectrum import SpectrumMap, spectrum_map


def apply_map(images: np.ndarray, mapping: SpectrumMap) -> np.ndarray:
    return spectrum.apply_map(images, mapping, range(len(images)))


def soft(images: np.ndarray) -> np.ndarray:
    return gaussian_filter(images, (0, 0, 0.45, 0.45))


def grainy(images: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 4, images.shape)
    return (images + noise).round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("change", [soft, grainy])
def test_what_gave_images_away_does_so_no_longer(change):
    real, drawn, unseen = forest(0), change(forest(1000)), forest(2000)
    gains = spectrum_map(real, drawn)
    assert give_away(unseen, drawn).value > 0.8
    assert give_away(unseen, apply_map(drawn, gains)).value < 0.6


def test_images_with_the_spectrum_of_real_ones_change_little():
    real, drawn = forest(0), forest(1000)
    changed = apply_map(drawn, spectrum_map(real, drawn))
    assert np.abs(changed.astype(int) - drawn).mean() < 8


def test_the_filter_is_measured_on_a_few_images_and_holds_for_others():
    real, drawn = forest(0), soft(forest(1000))
    gains = spectrum_map(real, drawn[:20])
    assert give_away(real, apply_map(drawn[20:], gains)).value < 0.75


def test_few_real_images_change_less():
    real, drawn = forest(0), soft(forest(1000))
    few, many = (spectrum_map(real[:n], drawn) for n in (2, 40))
    few_off, many_off = (np.abs(each.real - each.drawn).mean() for each in (few, many))
    assert few_off < many_off / 1.5


def test_colours_on_the_whole_stay():
    images = forest(0, 6)
    mapping = spectrum_map(forest(0), soft(forest(1000)))
    changed = apply_map(images // 2 + 60, mapping)  # nothing is cut at black or white
    assert np.abs(changed.mean((2, 3)) - (images // 2 + 60).mean((2, 3))).max() < 0.5


@pytest.mark.parametrize("shape", [(1, 24, 24), (5, 20, 28)])
def test_any_bands_and_sides_of_sixteen_bit_keep_their_type_and_shape(shape):
    images = np.random.default_rng(0).integers(0, 65536, (4, *shape), np.uint16)
    changed = apply_map(images, spectrum_map(images, images))
    assert changed.dtype == np.uint16 and changed.shape == images.shape
    assert np.corrcoef(changed.ravel(), images.ravel())[0, 1] > 0.9


def test_blank_images_are_left_blank():
    blank = np.full((3, 3, 16, 16), 90, np.uint8)
    assert (apply_map(blank, spectrum_map(blank, blank)) == blank).all()


def test_images_that_are_too_much_alike_become_nearly_as_various_as_real_ones():
    widths = np.random.default_rng(0).uniform(0.2, 1.0, 80)
    varied = np.stack([
        gaussian_filter(image, (0, width, width))
        for image, width in zip(forest(0, 80), widths, strict=True)
    ])  # fmt: skip
    alike = gaussian_filter(forest(1000, 80), (0, 0, 0.5, 0.5))
    mapped = apply_map(alike[40:], spectrum_map(varied[:40], alike[:40]))

    def spread(images: np.ndarray) -> float:
        """Of the share of what is finer than two pixels, over images."""
        fine = images - gaussian_filter(images.astype(float), (0, 0, 1, 1))
        return float(np.log(fine.std((1, 2, 3)) / images.std((1, 2, 3))).std())

    assert spread(alike[40:]) < 0.75 * spread(varied[40:])
    assert spread(mapped) > 0.65 * spread(varied[40:])


def test_a_map_survives_its_record():
    mapping = spectrum_map(forest(0), soft(forest(1000)))
    again = SpectrumMap.of(json.loads(json.dumps(mapping.record())))
    drawn = soft(forest(2000, 4))
    assert (apply_map(drawn, again) == apply_map(drawn, mapping)).all()


def test_what_is_left_to_chance_is_the_images_own():
    drawn = soft(forest(1000))
    mapping = spectrum_map(forest(0), drawn)
    at_once = spectrum.apply_map(drawn[:4], mapping, [5, 6, 7, 8])
    assert (spectrum.apply_map(drawn[2:4], mapping, [7, 8]) == at_once[2:]).all()
    assert (spectrum.apply_map(drawn[2:3], mapping, [9]) != at_once[2]).any()


def contrast(images: np.ndarray) -> float:
    return float(np.median(images.std((2, 3))))


def test_contrast_becomes_that_of_real_images():
    real, dull = forest(0), (forest(1000) // 2 + 60).astype(np.uint8)
    assert contrast(dull) < 0.6 * contrast(real)
    assert contrast(apply_map(dull, spectrum_map(real, dull))) > 0.85 * contrast(real)


def test_of_a_kind_alike_in_contrast_no_image_is_bent_to_black_and_white():
    real = forest(0)
    drawn = soft(forest(1000))
    mapped = apply_map(drawn, spectrum_map(real, drawn))
    gains = np.log(mapped.std((1, 2, 3)) / drawn.std((1, 2, 3)))
    assert gains.std() < 0.1  # all are changed alike
