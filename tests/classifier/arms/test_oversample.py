import pytest
import torch

from classifier.arms.part import Step
from classifier.arms.registry import arm_of
from classifier.arms.setting import USUAL, Setting


@pytest.mark.parametrize(("strength", "rare"), [(1.0, 0.5), (0.5, 1 / 3), (0.0, 0.2)])
def test_oversampling_shows_rare_classes_by_its_strength(examples, strength, rare):
    arm, setting = arm_of("oversample"), Setting(strength=strength)
    steps = (Step(index, 50, 100, seed=0) for index in range(50))
    drawn = torch.cat([arm.indices(examples, step, setting) for step in steps])
    assert examples.labels[drawn].float().mean() == pytest.approx(rare, abs=0.03)
    assert set(drawn.tolist()) == set(range(20))


def test_oversampling_is_a_function_of_seed_and_step(examples):
    def drawn(step: int, seed: int) -> list[int]:
        return arm_of("oversample").indices(examples, Step(step, 9, 8, seed), USUAL).tolist()

    assert drawn(3, 0) == drawn(3, 0)
    assert drawn(3, 0) != drawn(4, 0) and drawn(3, 0) != drawn(3, 1)
