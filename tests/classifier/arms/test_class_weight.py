import pytest

from classifier.arms.registry import arm_of
from classifier.arms.setting import Setting

from .conftest import COUNTS


@pytest.mark.parametrize(("strength", "ratio"), [(1.0, 4.0), (0.5, 2.0), (0.0, 1.0)])
def test_class_weights_are_a_power_of_the_numbers_and_1_on_average(examples, strength, ratio):
    weights = arm_of("class-weight").weights(examples, COUNTS, Setting(strength=strength))
    assert weights[-1] / weights[0] == pytest.approx(ratio)
    assert weights.mean() == pytest.approx(1.0)
