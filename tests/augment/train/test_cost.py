import pytest

from augment.config import SamplingConfig, TrainingConfig
from augment.network.config import GeneratorConfig
from augment.train.cost import estimate_cost
from augment.train.ema import LENGTHS
from augment.train.evaluation import CALLS

TINY = GeneratorConfig(image_size=16, dim=8, dim_mults=(1, 2), timesteps=20)


def test_cost_adds_up_over_all_trainings_and_images(cpu, monkeypatch):
    monkeypatch.setattr("augment.train.cost._time_step", lambda *_: 0.5)
    base, training = (TrainingConfig(steps=steps, evaluations=0) for steps in (100, 10))
    cost = estimate_cost([training, training, base], 15, TINY, SamplingConfig(steps=4), cpu)
    assert cost["train_s"] == pytest.approx(0.5 * (10 + 10 + 100))
    assert cost["sample_s"] == pytest.approx(15 * cost["image_s"]) and cost["image_s"] > 0


def test_evaluations_have_their_cost(cpu, monkeypatch):
    monkeypatch.setattr("augment.train.cost._time_step", lambda *_: 0.0)
    monkeypatch.setattr("augment.train.cost._time_image", lambda *_: 4.0)
    cost = estimate_cost([TrainingConfig(evaluations=2)], 0, TINY, SamplingConfig(steps=4), cpu)
    assert cost["train_s"] == pytest.approx(CALLS * (2 + len(LENGTHS)))


def test_a_step_is_measured_for_real(cpu):
    short = TrainingConfig(steps=10, batch_size=4)
    cost = estimate_cost([short], 0, TINY, SamplingConfig(steps=4), cpu)
    assert cost["train_s"] > 0 and cost["sample_s"] == 0 and "cpu" in cost["device"]
