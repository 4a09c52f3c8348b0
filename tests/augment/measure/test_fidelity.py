import numpy as np
import pytest

from augment.measure.fidelity import fidelity_section, judge_class


@pytest.fixture
def parts() -> dict[str, np.ndarray]:
    """One class as a cloud of features, other classes as another cloud."""
    draw = np.random.default_rng(0)
    near, far = draw.normal(0, 1, (220, 8)), draw.normal(3, 1, (60, 8))
    return {"held_out": near[:60], "train": near[60:120], "generated": near[120:180], "others": far}


def test_images_of_the_class_reach_the_floor_and_others_the_ceiling(parts):
    found = judge_class(**parts)
    assert abs(found["kid"]["value"] - found["floor"]["value"]) < 0.2 * found["ceiling"]["value"]
    other = judge_class(**{**parts, "generated": parts["others"]})
    assert other["kid"] == other["ceiling"]
    assert other["manifold"]["coverage"] < 0.1 < 0.8 < found["manifold"]["coverage"]


def test_copies_are_found_out(parts):
    copied = judge_class(**{**parts, "generated": parts["train"] + 1e-3})
    assert copied["copying"]["value"] > 0.95
    assert judge_class(**parts)["copying"]["value"] == pytest.approx(0.5, abs=0.1)


def test_too_few_held_out_images_give_none_and_the_page_says_so(parts):
    assert judge_class(**{**parts, "held_out": parts["held_out"][:9]}) is None
    record = {"network": "<i>net</i>", "wanted": "<b>gone</b>", "resolution": "32 px", "classes": [
        {"class": "<b>Pond", "measures": None, "give_away": None},
        {"class": "Park", "measures": judge_class(**parts),
         "give_away": {"value": 0.93, "standard_error": 0.02}},
    ]}  # fmt: skip
    html = fidelity_section(record).html
    assert "too few real validation images" in html and "<small>too few images</small>" in html
    assert '<span class="hurt-text">0.93' in html
    assert "&lt;b&gt;Pond" in html and "&lt;i&gt;net" in html and "<b>Pond" not in html
