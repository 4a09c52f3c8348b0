import numpy as np
import pytest

from augment.measure.fidelity import measure_class


@pytest.fixture
def parts() -> dict[str, np.ndarray]:
    """One class as a cloud of features, other classes as another cloud."""
    draw = np.random.default_rng(0)
    near, far = draw.normal(0, 1, (220, 8)), draw.normal(3, 1, (60, 8))
    return {"held_out": near[:60], "train": near[60:120], "generated": near[120:180], "others": far}


def test_images_of_the_class_reach_the_floor_and_others_the_ceiling(parts):
    found = measure_class(**parts)
    assert abs(found["kid"]["value"] - found["floor"]["value"]) < 0.2 * found["ceiling"]["value"]
    other = measure_class(**{**parts, "generated": parts["others"]})
    assert other["kid"] == other["ceiling"]
    assert other["manifold"]["coverage"] < 0.1 < 0.8 < found["manifold"]["coverage"]


def test_copies_are_found_out(parts):
    copied = measure_class(**{**parts, "generated": parts["train"] + 1e-3})
    assert copied["copying"]["value"] > 0.95
    assert measure_class(**parts)["copying"]["value"] == pytest.approx(0.5, abs=0.1)


def test_too_few_held_out_images_give_none(parts):
    assert measure_class(**{**parts, "held_out": parts["held_out"][:9]}) is None
