import numpy as np
import pytest

from augment.screen.recognizer import fit_recognizer


def test_two_classes_are_recognized_as_well_as_three():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 50)
    found = fit_recognizer(rng.normal(size=(100, 4)) + 3 * labels[:, None], labels)
    assert found.weight.shape == (2, 4)
    new = rng.normal(size=(100, 1, 4)) + 3 * labels[:, None, None]
    assert (found.log_p(new).argmax(1) == labels).mean() > 0.95
    assert np.exp(found.log_p(new)).sum(1) == pytest.approx(np.ones(100))


def test_all_views_of_an_image_together_recognize_its_class_better_than_one():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 60)
    means = 1.2 * np.eye(3)[labels]
    found = fit_recognizer(rng.normal(size=(180, 3)) + means, labels)
    new = rng.normal(size=(180, 8, 3)) + means[:, None]
    together, one = (found.log_p(each).argmax(1) == labels for each in (new, new[:, :1]))
    assert together.mean() > one.mean() + 0.1
