"""Shared measurements are computed once, and mean what the rules take them for."""

import numpy as np
import pytest

from augment.screen import measurements
from augment.screen.measurements import Candidates, ClassReference, Measurements
from augment.screen.rules import IMAGE_RULES

SIDE, N_TRAIN = 16, 6


@pytest.fixture
def measured(fitted, train, drawn) -> Measurements:
    images = drawn.scenes("Forest", 3000, 4)
    images[1] = train.of(0).images[2][:, ::-1]  # a mirrored training image
    return Measurements(
        fitted.candidates(images, drawn.views(images)), fitted.class_of(0, train.of(0))
    )


def test_all_rules_together_measure_once(measured, monkeypatch):
    calls = []
    for name in ("likeness", "traits"):
        real = getattr(measurements, name)
        monkeypatch.setattr(
            measurements, name, lambda *a, name=name, real=real: calls.append(name) or real(*a)
        )
    for rule in IMAGE_RULES:
        rule.score(measured)
    assert sorted(calls) == ["likeness", "traits"]


def test_a_copy_scores_one_by_structure_and_by_features(measured):
    found = {rule.name: rule.score(measured) for rule in IMAGE_RULES}
    assert found["copy"][1] == pytest.approx(1, abs=1e-5)
    assert found["near_copy"][1] == pytest.approx(1, abs=0.01)
    others = np.array([0, 2, 3])
    assert (found["copy"][others] < 0.95).all() and (found["near_copy"][others] < 0.9).all()


def test_an_outlier_is_as_many_times_farther_as_its_score():
    line = np.arange(N_TRAIN, dtype=float)[:, None]  # neighbours at 1, thirds at 2 or 3
    images = np.zeros((N_TRAIN, 3, SIDE, SIDE), np.uint8)
    of = ClassReference(0, images, line[None], {})
    assert of.usual == (1.0, 2.0)
    measured = Measurements(Candidates(images[:1], np.array([[15.0]]), np.zeros((1, 2))), of)
    assert (measured.nearest[0], measured.third_nearest[0]) == (10, 12)
    outlier = next(rule for rule in IMAGE_RULES if rule.name == "outlier")
    assert outlier.score(measured)[0] == 6


def test_of_two_training_images_the_farther_counts_as_the_third_nearest():
    of = ClassReference(0, np.zeros((2, 3, SIDE, SIDE), np.uint8), np.array([[[0.0], [4.0]]]), {})
    assert of.usual == (4.0, 4.0)
    measured = Measurements(Candidates(of.images, np.array([[1.0], [2.0]]), np.zeros((2, 2))), of)
    assert measured.third_nearest.tolist() == [3, 2]
