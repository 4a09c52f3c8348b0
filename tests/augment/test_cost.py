import pytest

from augment.cost import estimate_cost
from augment.generator import GeneratorConfig
from augment.plan import PlanConfig, plan_classes
from augment.recipe import TrainingConfig
from augment.sampling import SamplingConfig

TINY = GeneratorConfig(image_size=16, dim=8, dim_mults=(1, 2), timesteps=20)


def test_cost_adds_up_over_the_classes_that_are_filled(cpu):
    jobs = plan_classes({"Pond": 20, "River": 12, "Church": 5}, PlanConfig(rarest=1))
    cost = estimate_cost(jobs, TINY, TrainingConfig(steps=10), SamplingConfig(steps=4), cpu)
    assert cost["train_s"] == pytest.approx(10 * cost["step_s"])
    assert cost["sample_s"] == pytest.approx(15 * cost["image_s"])
    assert cost["step_s"] > 0 and "cpu" in cost["device"]
