import numpy as np
import pytest

from augment.screen.rules import LIMITED, NAMES
from augment.screen.scoring import score_drawn, score_images
from terrabalance.errors import BadInput


def test_every_rule_scores_every_image(fitted, train, drawn):
    images = drawn.scenes("Forest", 3000, 5)
    of = fitted.class_of(0, train.of(0))
    found = score_drawn(fitted.candidates(images, drawn.views(images)), of, fitted.limits[0])
    assert tuple(found) == NAMES and set(NAMES) == {*LIMITED, "repeat"}
    assert all(values.shape == (5,) and np.isfinite(values).all() for values in found.values())


def test_an_image_that_another_rule_refuses_is_repeated_by_none(fitted, train, drawn):
    images = drawn.scenes("Forest", 3000, 4)
    images[0] = train.of(0).images[0]  # refused as a copy
    images[3] = images[0]
    of = fitted.class_of(0, train.of(0))
    found = score_drawn(fitted.candidates(images, drawn.views(images)), of, fitted.limits[0])
    assert found["copy"][0] > fitted.limits[0]["copy"] and found["repeat"][3] <= 0


def test_one_training_image_is_too_few_to_screen_by(fitted, train, drawn):
    images = drawn.scenes("Forest", 3000, 2)
    one = type(train)(train.images[:1], train.features[:1], train.labels[:1])
    candidates = fitted.candidates(images, drawn.views(images))
    with pytest.raises(BadInput, match="two training images"):
        score_images(candidates, fitted.class_of(0, one))
