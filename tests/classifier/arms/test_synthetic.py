from classifier.arms.registry import arm_of
from classifier.arms.setting import USUAL, Setting

from .conftest import COUNTS


def test_synthetic_images_alone_have_the_weight_of_the_setting(examples):
    weights = arm_of("synthetic-weighted").weights(examples, COUNTS, Setting(weight=0.25))
    assert weights.tolist() == [1.0] * 18 + [0.25] * 2


def test_beside_cutmix_synthetic_images_are_weighted_too(examples):
    arm = arm_of("class-cutmix+synthetic")
    assert arm.weights(examples, COUNTS, USUAL).tolist() == [1.0] * 18 + [0.5] * 2
    assert arm_of("synthetic").weights(examples, COUNTS, USUAL).tolist() == [1.0] * 20
