"""What gives synthetic images away that are the same scenes as the real ones."""

import io

import numpy as np
import pytest
from forest import forest
from PIL import Image
from scipy.ndimage import gaussian_filter

from augment.measure.giveaway import give_away


def jpeg(images: np.ndarray, quality: int = 50) -> np.ndarray:
    coded = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0)).save(file, "JPEG", quality=quality)
        coded.append(np.asarray(Image.open(file)).transpose(2, 0, 1))
    return np.stack(coded)


def test_scenes_of_one_kind_are_not_told_apart():
    found = give_away(forest(0), forest(1000))
    assert found.value == pytest.approx(0.5, abs=3 * found.standard_error)


@pytest.mark.parametrize("change", [lambda x: gaussian_filter(x, (0, 0, 0.6, 0.6)), jpeg])
def test_softness_and_codec_traces_give_away(change):
    assert give_away(forest(0), change(forest(1000))).value > 0.9


def test_the_same_treatment_of_both_gives_nothing_away():
    found = give_away(jpeg(forest(0)), jpeg(forest(1000)))
    assert found.value == pytest.approx(0.5, abs=3 * found.standard_error)


def test_colour_and_contrast_are_not_looked_at():
    darker = (forest(1000) * 0.5).round().astype(np.uint8)
    found = give_away(forest(0), darker)
    assert found.value < 0.75  # halved levels are rounded, and little else


def test_images_of_one_sharpness_among_many_are_told_apart():
    widths = np.tile([0.2, 1.0], 20)
    varied = np.stack([gaussian_filter(image, (0, w, w)) for image, w in
                       zip(forest(0), widths, strict=True)])  # fmt: skip
    alike = gaussian_filter(forest(1000), (0, 0, 0.5, 0.5))
    assert give_away(varied, alike).value > 0.9


def test_few_images_say_nothing():
    assert give_away(forest(0), forest(1000, 9)) is None
