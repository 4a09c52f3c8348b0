import io

import numpy as np
import pytest
import torch
from PIL import Image

from augment.measure.likeness import likeness
from augment.screen.rules.repeat import repeats
from terrabalance.symmetry import apply_symmetry


def encoded_anew(image: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file)).transpose(2, 0, 1).copy()


@pytest.mark.parametrize("which", range(8))
def test_a_second_drawing_of_the_same_picture_is_a_repeat(fitted, drawn, which):
    images = drawn.scenes("Forest", 3000, 6)
    images[4] = apply_symmetry(torch.from_numpy(encoded_anew(images[1])), which)
    alike, limit = likeness(images, images), fitted.limits[0]["copy"]
    found = repeats(alike, limit, np.ones(6, bool))
    assert found[4] > 0 and np.delete(found, 4).max() <= 0
    unkept = repeats(alike, limit, np.arange(6) != 1)
    assert unkept[4] <= 0  # the image that it repeats is not used
