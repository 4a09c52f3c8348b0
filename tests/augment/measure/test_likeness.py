import numpy as np
import pytest
import torch

from augment.measure.likeness import likeness
from augment.scenes import draw_scene
from terrabalance.errors import BadInput
from terrabalance.symmetry import apply_symmetry


def scenes(first: int, n: int) -> np.ndarray:
    return np.stack([draw_scene("Forest", first + i, 32) for i in range(n)])


@pytest.mark.parametrize("which", range(8))
def test_an_image_is_like_its_turned_and_mirrored_copies(which):
    images = scenes(0, 4)
    turned = apply_symmetry(torch.from_numpy(images), which).numpy()
    alike = likeness(turned.copy(), images)
    assert np.diag(alike) == pytest.approx(np.ones(4), abs=1e-5)
    assert (alike.argmax(1) == np.arange(4)).all()


def test_other_colours_and_contrast_change_little():
    images = scenes(0, 4)
    changed = (images[:, [2, 0, 1]] * 0.7 + 30).astype(np.uint8)
    assert np.diag(likeness(changed, images)).min() > 0.95
    assert likeness(scenes(50, 4), images).max() < 0.9


def test_images_of_other_sizes_are_refused():
    with pytest.raises(BadInput, match="shape"):
        likeness(scenes(0, 1), scenes(0, 1)[:, :, :16])
